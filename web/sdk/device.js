/** Who this tab is to the rooms it joins, over reloads. */

/** How long (ms) the page before a reload may still hold the device's lock. */
const LOCK_PATIENCE = 600;

/**
 * This tab as a device. Device id and join counter live and die together in the tab's storage; a Web Lock tells a
 * duplicated tab, which inherits a copy of the storage, that it is another device.
 */
export class Device {
  static #KEY = "starling.device";
  static #TOKEN = "starling.token";
  /** @type {Promise<Device> | null} */
  static #mine = null;

  /** @returns {Promise<Device>} the same for every room of this page */
  static mine() {
    Device.#mine ??= Device.#find();
    return Device.#mine;
  }

  static async #find() {
    const known = Device.#read(Device.#KEY);
    if (typeof known?.id === "string" && Number.isSafeInteger(known.attempt) && (await Device.#lock(known.id))) {
      return new Device(known.id, known.attempt);
    }
    Device.#write(Device.#TOKEN, null);
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    const id = `de_${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
    await Device.#lock(id);
    const device = new Device(id, 0);
    device.#keep();
    return device;
  }

  /** Hold the lock for as long as the page lives; false when another page has it. */
  static #lock(id) {
    // Without locks (an insecure page) a copied tab would go unnoticed: then every page is a new device.
    if (!navigator.locks) return Promise.resolve(false);
    return new Promise((resolve) => {
      const held = () => {
        resolve(true);
        return new Promise(() => {});
      };
      const signal = AbortSignal.timeout(LOCK_PATIENCE);
      navigator.locks.request(`starling.device.${id}`, { signal }, held).catch(() => resolve(false));
    });
  }

  static #read(key) {
    try {
      return JSON.parse(sessionStorage.getItem(key) ?? "null");
    } catch {
      return null; // no storage allowed, or not ours: like a first visit
    }
  }

  static #write(key, value) {
    try {
      if (value === null) sessionStorage.removeItem(key);
      else sessionStorage.setItem(key, JSON.stringify(value));
    } catch {
      // No storage allowed: the device lives as long as the page.
    }
  }

  constructor(id, attempt) {
    this.id = id;
    this.attempt = attempt;
  }

  /** Count one more join, at least from `beyond` on. */
  raise(beyond = 0) {
    this.attempt = Math.max(this.attempt, beyond) + 1;
    this.#keep();
    return this.attempt;
  }

  /** The session token of an earlier page of this tab under the same name: so a reload stays the same person. */
  token(name) {
    const kept = Device.#read(Device.#TOKEN);
    return kept?.name === name && kept?.device === this.id ? kept.token : null;
  }

  keepToken(name, token) {
    Device.#write(Device.#TOKEN, token && { name, device: this.id, token });
  }

  #keep() {
    Device.#write(Device.#KEY, { id: this.id, attempt: this.attempt });
  }
}

/** Who this tab is to the rooms it joins, over reloads. */

import { Hold } from "./hold.js";

/** What tells one user token from another, and opens nothing by itself. @param {string} token */
const signature = (token) => token.slice(token.lastIndexOf(".") + 1);

/**
 * This tab as a device. Device id and join counter live and die together in the tab's storage, so a reload keeps both. A
 * duplicated tab, which inherits a copy of them, does not get hold of the id and becomes a device of its own.
 *
 * A page that the browser puts aside (`pagehide`) lets go, as another page of this tab may come; when it is shown again it
 * takes its id once more, or becomes another device.
 */
export class Device {
  static #KEY = "starling.device";
  static #TOKEN = "starling.token";
  /** @type {Promise<Device> | null} */
  static #mine = null;

  /** @type {Hold} */
  #hold;
  /** Settled while we are a device; a page that is shown again has to find out. @type {Promise<void>} */
  #settled = Promise.resolve();

  /** @returns {Promise<Device>} the same for every room of this page */
  static mine() {
    Device.#mine ??= Device.#find();
    return Device.#mine;
  }

  static async #find() {
    const device = new Device();
    const known = Device.#known();
    if (!known || !(await device.#take(known.id, known.attempt))) await device.renew();
    globalThis.addEventListener?.("pagehide", () => device.#hold.letGo());
    globalThis.addEventListener?.("pageshow", ({ persisted }) => {
      if (persisted) device.#settled = device.#again();
    });
    return device;
  }

  constructor() {
    this.id = "";
    this.attempt = 0;
  }

  /** Whether we are certain that no other page is this device. */
  get sure() {
    return this.#hold.sure;
  }

  /** Wait until it is decided which device this page is. */
  settled() {
    return this.#settled;
  }

  /** Become a device that nobody has seen yet. */
  async renew() {
    this.#hold?.letGo();
    Device.#write(Device.#TOKEN, null);
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    const id = `de_${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
    await this.#take(id, 0, { isNew: true });
    this.#keep();
  }

  /** Count one more join, at least from `beyond` on. */
  raise(beyond = 0) {
    // A page of this tab that came between may have counted further.
    const known = Device.#known();
    const seen = known?.id === this.id ? known.attempt : 0;
    this.attempt = Math.max(this.attempt, seen, beyond) + 1;
    this.#keep();
    return this.attempt;
  }

  /**
   * The session token of an earlier page of this tab under the same name: so a reload stays the same person. Whoever says
   * who they are by a user token is nobody else.
   * @param {string} name @param {string | null} [userToken]
   */
  token(name, userToken = null) {
    const kept = Device.#read(Device.#TOKEN);
    const isOurs = kept?.name === name && kept?.device === this.id && (!userToken || kept.by === signature(userToken));
    return isOurs ? kept.token : null;
  }

  /** @param {string} name @param {string | null} token @param {string | null} [userToken] What it was given for. */
  keepToken(name, token, userToken = null) {
    Device.#write(Device.#TOKEN, token && { name, device: this.id, token, by: userToken && signature(userToken) });
  }

  async #take(id, attempt, options = {}) {
    this.#hold = new Hold(id);
    const taken = await this.#hold.take(options);
    if (taken || options.isNew) Object.assign(this, { id, attempt });
    return taken;
  }

  async #again() {
    if (!(await this.#take(this.id, this.attempt))) await this.renew();
  }

  #keep() {
    Device.#write(Device.#KEY, { id: this.id, attempt: this.attempt });
  }

  /** Id and counter as the storage has them: both or none. */
  static #known() {
    const known = Device.#read(Device.#KEY);
    return typeof known?.id === "string" && Number.isSafeInteger(known.attempt) ? known : null;
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
      // Where there is no room for the new value the old one must not stay: it would be an older counter.
      sessionStorage.removeItem(key);
      if (value !== null) sessionStorage.setItem(key, JSON.stringify(value));
    } catch {
      // No storage allowed: the device lives as long as the page.
    }
  }
}

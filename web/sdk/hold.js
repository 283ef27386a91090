/**
 * Whether this page alone is a device.
 *
 * A duplicated tab inherits a copy of the storage, device id and all. So a page holds a Web Lock named after the id for as
 * long as it lives; who finds it taken is a copy, or comes after a reload whose old page is not gone yet. To tell these
 * apart at once it also asks the other pages on a BroadcastChannel: a live holder answers, a page that is being unloaded
 * does not, and its lock falls free in a moment.
 *
 * Pages of insecure origins have no Web Locks. There the question alone decides, and such a hold is never `sure`.
 */

/** How long (ms) the lock of a page that does not answer may take to fall free. */
const SILENT_PATIENCE = 3_000;
/** How long (ms) after an answer: a page that is about to go may have given it. A reload is more likely to meet one. */
const ANSWERED_PATIENCE = 250;
const ANSWERED_PATIENCE_RELOAD = 1_000;
/** How long (ms) other pages have to answer where there are no locks. */
const QUESTION_PATIENCE = 500;

const CHANNEL = "starling.device";

const isReload = () => globalThis.performance?.getEntriesByType?.("navigation")[0]?.type === "reload";

/** One page's claim to one device id. */
export class Hold {
  #id;
  #nonce = Array.from(crypto.getRandomValues(new Uint32Array(4)), (word) => word.toString(16).padStart(8, "0")).join("");
  /** @type {BroadcastChannel | null} */
  #channel = null;
  /** @type {"asking" | "held" | "free"} */
  #state = "free";
  #release = () => {};
  #answered = () => {};

  /** @param {string} id */
  constructor(id) {
    this.#id = id;
  }

  /** Whether the browser vouches for it that no other page is this device. */
  get sure() {
    return this.#state === "held" && Boolean(navigator.locks);
  }

  /**
   * Take the id, unless another page has it.
   * @param {{isNew?: boolean}} [options] A new id is nobody else's: nobody need be asked.
   * @returns {Promise<boolean>} within some seconds
   */
  async take({ isNew = false } = {}) {
    this.#state = "asking";
    this.#open();
    const answered = new Promise((resolve) => {
      this.#answered = () => resolve(false);
    });
    if (!isNew) this.#channel?.postMessage({ asks: this.#id, nonce: this.#nonce });
    const mine = navigator.locks ? await this.#lock(answered) : isNew || (await this.#waitForAnswer(answered));
    if (this.#state !== "asking") return false; // let go meanwhile
    this.#state = "held";
    if (!mine) this.letGo();
    return mine;
  }

  /** Another page may be this device from now on. */
  letGo() {
    this.#state = "free";
    this.#release();
    this.#release = () => {};
    this.#channel?.close();
    this.#channel = null;
  }

  #lock(answered) {
    const abort = new AbortController();
    const granted = new Promise((resolve) => {
      const hold = () => {
        if (this.#state !== "asking") return undefined;
        resolve(true);
        return new Promise((release) => {
          this.#release = () => release(undefined);
        });
      };
      navigator.locks.request(`${CHANNEL}.${this.#id}`, { signal: abort.signal }, hold).catch(() => resolve(false));
    });
    const patience = isReload() ? ANSWERED_PATIENCE_RELOAD : ANSWERED_PATIENCE;
    const refused = Promise.race([later(SILENT_PATIENCE), answered.then(() => later(patience))]);
    const decided = Promise.race([granted, refused]);
    return decided.finally(() => abort.abort());
  }

  /** Where there are no locks: nobody objects. */
  #waitForAnswer(answered) {
    if (!this.#channel) return Promise.resolve(false);
    return Promise.race([answered, later(QUESTION_PATIENCE).then(() => true)]);
  }

  #open() {
    this.#channel ??= typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel(CHANNEL);
    if (this.#channel) this.#channel.onmessage = ({ data }) => this.#hear(data);
  }

  #hear(data) {
    if (data?.holds === this.#id && data.nonce === this.#nonce) return this.#answered();
    if (data?.asks !== this.#id) return undefined;
    // Two that ask at the same time: the lower nonce has it. With locks, the lock decides that.
    if (this.#state === "held" || (!navigator.locks && this.#nonce < data.nonce)) {
      return this.#channel?.postMessage({ holds: this.#id, nonce: data.nonce });
    }
    return navigator.locks ? undefined : this.#answered();
  }
}

/** @param {number} ms @returns {Promise<boolean>} false, after that time */
const later = (ms) => new Promise((resolve) => setTimeout(() => resolve(false), ms));

/**
 * What we would like to see of the others' pictures: as large as it is shown, nothing of what is not seen.
 *
 * Elements that show a track are watched; their size in device pixels and whether they can be seen become one statement
 * about all of them, at most every `SETTLE` ms. A choice by hand wins. What is never shown that way is sent in full.
 */

/** Ms for a layout to come to rest: below what people take for a delay, above what an animation takes for a frame. */
const SETTLE = 250;
/** Device pixels to which sizes are rounded up, so that a scroll bar is no news. */
const STEP = 16;
const NORMAL_PRIORITY = 128;
/** What a node takes; of a message beyond it nothing is taken, and the connection ends. */
export const MAX_PIXELS = 16_384;
export const MAX_PRIORITY = 255;
const MAX_TRACKS = 500;

/**
 * @typedef {object} Preference
 * @property {number} [width] Device pixels; 0 when unknown: the whole picture.
 * @property {number} [height]
 * @property {number} [priority] 0 to 255; who comes first when there is too little for all. 128 is normal.
 * @property {boolean} [paused] Send nothing for now.
 */

/** @typedef {{track: string, priority: number, width: number, height: number, visible: boolean}} Shown */

export class Preferences {
  #say;
  #timer = 0;
  #said = "[]";
  /** @type {Map<Element, Shown>} */
  #shown = new Map();
  /** @type {Map<string, Preference>} */
  #chosen = new Map();
  #sizes = null;
  #sights = null;
  #turned = () => this.#change();

  /** @param {(tracks: object[]) => Promise<unknown>} say */
  constructor(say) {
    this.#say = say;
  }

  /** Watch an element that shows a track. @param {string} track @param {Element} element @param {number} [priority] */
  show(track, element, priority = NORMAL_PRIORITY) {
    this.#watch();
    // An element that shows another track now keeps its size, of which no observer would tell again.
    const { width = 0, height = 0, visible = true } = this.#shown.get(element) ?? {};
    this.#shown.set(element, { track, priority, width, height, visible });
    this.#sizes?.observe(element);
    this.#sights?.observe(element);
    this.#change();
  }

  /** @param {Element} element */
  hide(element) {
    if (!this.#shown.delete(element)) return;
    this.#sizes?.unobserve(element);
    this.#sights?.unobserve(element);
    this.#change();
  }

  /** Decide by hand, or with null let the page's layout decide again. @param {string} track @param {Preference | null} preference */
  choose(track, preference) {
    if (preference) this.#chosen.set(track, preference);
    else this.#chosen.delete(track);
    this.#change();
  }

  /** Forget a track that is over. @param {string} track */
  forget(track) {
    this.#chosen.delete(track);
    for (const [element, shown] of this.#shown) if (shown.track === track) this.hide(element);
  }

  /** A new node knows nothing of what we said. */
  restate() {
    this.#said = "[]";
    this.#change();
  }

  /** All of it, as the node takes it. */
  get tracks() {
    const away = globalThis.document?.visibilityState === "hidden";
    /** @type {Map<string, object>} */
    const tracks = new Map();
    for (const { track, priority, width, height, visible } of this.#shown.values()) {
      const known = tracks.get(track);
      const paused = away || !visible;
      if (!known || (known.paused && !paused)) tracks.set(track, { track, width, height, priority, paused });
      else if (!paused) {
        // Shown twice: the greater of both serves both, and one whose size is unknown wants all.
        const all = known.width * width === 0;
        known.width = all ? 0 : Math.max(known.width, width);
        known.height = all ? 0 : Math.max(known.height, height);
        known.priority = Math.max(known.priority, priority);
      }
    }
    for (const [track, { width = 0, height = 0, priority = NORMAL_PRIORITY, paused = false }] of this.#chosen) {
      tracks.set(track, { track, width, height, priority, paused });
    }
    return [...tracks.values()].slice(0, MAX_TRACKS).map(({ track, width, height, priority, paused }) => ({
      track,
      width: within(width, MAX_PIXELS, 0),
      height: within(height, MAX_PIXELS, 0),
      priority: within(priority, MAX_PRIORITY, NORMAL_PRIORITY),
      paused: Boolean(paused),
    }));
  }

  /** Watch nothing any more. */
  close() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#sizes?.disconnect();
    this.#sights?.disconnect();
    globalThis.document?.removeEventListener?.("visibilitychange", this.#turned);
    this.#shown.clear();
    this.#sizes = this.#sights = null;
  }

  #watch() {
    if (this.#sizes || typeof ResizeObserver !== "function") return;
    const note = (element, seen) => {
      const shown = this.#shown.get(element);
      if (shown) Object.assign(shown, seen);
      this.#change();
    };
    this.#sizes = new ResizeObserver((entries) => {
      const ratio = globalThis.devicePixelRatio || 1;
      const pixels = (length) => Math.ceil((length * ratio) / STEP) * STEP;
      for (const { target, contentRect } of entries) {
        note(target, { width: pixels(contentRect.width), height: pixels(contentRect.height) });
      }
    });
    this.#sights = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) note(target, { visible: isIntersecting });
    });
    document.addEventListener("visibilitychange", this.#turned);
  }

  #change() {
    this.#timer ||= setTimeout(() => this.#settle(), SETTLE);
  }

  async #settle() {
    this.#timer = 0;
    const text = JSON.stringify(this.tracks);
    if (text === this.#said) return;
    this.#said = text;
    try {
      await this.#say(JSON.parse(text));
    } catch {
      this.#said = ""; // said again with the next change, or on the next connection
    }
  }
}

/** A whole number from 0 to `most`; `usual` for what is no number. */
function within(value, most, usual) {
  return Number.isNaN(Number(value)) ? usual : Math.round(Math.min(Math.max(Number(value), 0), most));
}

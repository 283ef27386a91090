/** When and where to connect again: pure decisions, and the one wait between two tries. */

/**
 * A random pause below a bound (ms) that doubles up to a limit: "full jitter", which of the known ways spreads those who
 * lost the same node best (AWS Architecture Blog, "Exponential Backoff And Jitter", 2015).
 */
const FIRST_BOUND = 300;
const LAST_BOUND = 8_000;
/** How long (ms) we try before it is over. */
export const RETRY_DEADLINE = 120_000;

/** Refusals that are about a node and not about us. */
const UNFIT = new Set(["node_unreachable", "node_draining", "node_full", "room_not_here", "deadline_exceeded", "connection_lost", "engine_unavailable"]);

/**
 * Ms to wait before a try: the random pause, after what a node asked for (Retry-After), within the time that we try.
 * @param {number} tries how many there were @param {() => number} random from 0 up to 1 @param {number} asked ms
 */
export const pauseBefore = (tries, random = Math.random, asked = 0) =>
  Math.min(asked, RETRY_DEADLINE) + random() * Math.min(LAST_BOUND, FIRST_BOUND * 2 ** tries);

/** What going to another node has to win, ms and share of the round trip: a node weighs moves in the same way. */
const MOVE_MARGIN = 25;
const MOVE_RATIO = 0.8;

/** @param {string} code of the refusal @returns {boolean} whether the next node may do better */
export const isUnfit = (code) => UNFIT.has(code);

/** Whether what we measured of both makes going elsewhere worth it. */
const isClearlyNearer = (one, than) =>
  one.measured !== null && than.measured - one.measured >= MOVE_MARGIN && one.measured <= MOVE_RATIO * than.measured;

/**
 * Where to try, in this order: the node we were at, as most often only the path to it broke, unless it is clearly farther
 * than the best on the network that we have now; then the nearest. Those that failed since we were last connected come
 * last, as the word of their recovery may not have reached us.
 * @template {{url: string, measured?: number | null}} Place
 * @param {Place[]} candidates nearest first @param {Place | null} home @param {Set<string>} unfit URLs
 * @returns {Place[]}
 */
export function inOrder(candidates, home, unfit) {
  const known = home && candidates.find(({ url }) => url === home.url);
  const first = known && !isClearlyNearer(candidates[0], known) ? [known, ...candidates.filter((one) => one !== known)] : candidates;
  return [...first.filter(({ url }) => !unfit.has(url)), ...first.filter(({ url }) => unfit.has(url))];
}

/** Tells when trying makes sense at once: the network is back, or somebody looks at the page again. */
export class Awakening {
  #woken;
  #wake = () => {};

  /** @param {() => void} woken Called each time. */
  constructor(woken) {
    this.#woken = woken;
    globalThis.addEventListener?.("online", this);
    globalThis.document?.addEventListener("visibilitychange", this);
  }

  handleEvent({ type }) {
    if (type === "visibilitychange" && globalThis.document.visibilityState === "hidden") return;
    this.#woken();
    this.#wake();
  }

  /** Wait so long at most. @param {number} ms @returns {Promise<boolean>} whether it was cut short */
  pause(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve(true);
      };
    });
  }

  close() {
    globalThis.removeEventListener?.("online", this);
    globalThis.document?.removeEventListener("visibilitychange", this);
    this.#wake();
  }
}

/** What the former connection still carries after a move, until the new one carries it. */

/** Ms for the new connection to carry everything; the node ends the former one after 12 s. */
const DEADLINE = 6_000;
/** Ms between two looks. */
const LOOK = 50;

/**
 * The way from one connection to the next, while both stand. A track goes over to the new one with its first packet
 * there; the former one ends when nothing is left on it, or when that takes too long.
 */
export class Handover {
  /** Tracks of others that still come over the former connection. @type {Set<string>} */
  #waiting;
  /** What has a receiver on the new connection, and no packet yet. @type {Map<string, () => void>} */
  #coming = new Map();
  #isSending;
  #done;
  #timer = 0;
  #over = false;

  /**
   * @param {Iterable<string>} tracks Ids of the tracks that we receive.
   * @param {() => boolean} isSending Whether the new connection carries what we send.
   * @param {() => void} done Ends the former connection.
   */
  constructor(tracks, isSending, done) {
    this.#waiting = new Set(tracks);
    this.#isSending = isSending;
    this.#done = done;
    const until = performance.now() + DEADLINE;
    this.#timer = setInterval(() => {
      if ((this.#waiting.size === 0 && this.#isSending()) || performance.now() > until) this.end();
    }, LOOK);
  }

  /**
   * A track has a receiver on the new connection.
   * @param {string} track @param {RTCRtpReceiver} receiver @param {() => void} go Told when media comes there.
   */
  arrived(track, receiver, go) {
    if (this.#over || !this.#waiting.has(track) || receiver.track.muted === false) {
      this.#waiting.delete(track);
      return go();
    }
    this.#coming.set(track, go);
    receiver.track.addEventListener("unmute", () => this.#go(track), { once: true });
    return undefined;
  }

  /** Nobody sends that track any more. @param {string} track */
  forget(track) {
    this.#waiting.delete(track);
    this.#coming.delete(track);
  }

  /** It is over, whatever came of it. */
  end() {
    if (this.#over) return;
    this.#over = true;
    clearInterval(this.#timer);
    for (const track of [...this.#coming.keys()]) this.#go(track);
    this.#done();
  }

  #go(track) {
    const go = this.#coming.get(track);
    this.forget(track);
    go?.();
  }
}

/** What is written in a room: ours until the node has it, everybody's once each. */

import { StarlingError } from "./errors.js";

/** Messages of ours that wait for the connection or for their acknowledgement; who writes more is told so. */
const MAX_WAITING = 50;
/** Ids of messages that are known again: more than a node ever sends at once. */
const MAX_REMEMBERED = 512;
/** Ids of messages that a node is told we have: as many as it takes. */
const MAX_NAMED = 100;

/**
 * @typedef {object} Waiting A message of ours without an acknowledgement.
 * @property {string} text
 * @property {string} nonce The same whenever it is sent again: so it counts once.
 * @property {(sent: any) => void} resolve
 * @property {(error: StarlingError) => void} reject
 */

/**
 * The messages of a room over all its connections. Ours leave in the order in which they were written, each after the
 * one before it was taken; one that a broken connection left in doubt is said again under its nonce on the next one.
 */
export class Chat {
  /** @type {import("./signal.js").Signal | null} */
  #signal = null;
  /** @type {Waiting[]} */
  #waiting = [];
  /** Whether somebody is sending on this connection. */
  #sending = false;
  /** @type {Set<string>} */
  #seen = new Set();
  #told;

  /** @param {(message: any) => void} told Hears every message once, those of others and ours. */
  constructor(told) {
    this.#told = told;
  }

  /** The messages that were seen last, which the next node is not to say again: the newest at the end. @type {string[]} */
  get seen() {
    return [...this.#seen].slice(-MAX_NAMED);
  }

  /** Say something as soon as there is a connection. @returns {Promise<any>} once the node has it */
  send(text) {
    if (this.#waiting.length >= MAX_WAITING) {
      return Promise.reject(new StarlingError("queue_full", "Too many messages wait to be sent. Wait for the connection."));
    }
    const nonce = Array.from(crypto.getRandomValues(new Uint32Array(2)), (word) => word.toString(16)).join("-");
    return new Promise((resolve, reject) => {
      this.#waiting.push({ text, nonce, resolve, reject });
      this.#flush();
    });
  }

  /** There is a connection; `missed` is what was said meanwhile. */
  settle(signal, missed = []) {
    missed.forEach((message) => this.hear(message));
    this.#signal = signal;
    this.#sending = false;
    this.#flush();
  }

  /** The node tells of a message, perhaps once more. */
  hear(message) {
    const { message: id } = message;
    if (this.#seen.has(id)) return;
    this.#seen.add(id);
    if (this.#seen.size > MAX_REMEMBERED) this.#seen.delete(this.#seen.values().next().value);
    this.#told(message);
  }

  /** The connection is gone; what was not acknowledged waits for the next one. */
  hangUp() {
    this.#signal = null;
  }

  /** There will be no other connection. @param {{code: string, message: string}} why */
  close({ code, message }) {
    for (const { reject } of this.#waiting.splice(0)) reject(new StarlingError(code, message));
  }

  async #flush() {
    const signal = this.#signal;
    if (!signal || this.#sending) return;
    this.#sending = true;
    while (this.#signal === signal && this.#waiting.length) {
      const next = this.#waiting[0];
      const { text, nonce } = next;
      let settle;
      try {
        const sent = await signal.request("chat", { text, nonce });
        settle = () => next.resolve(sent);
      } catch (error) {
        if (this.#signal !== signal) return; // in doubt: the next connection says it again
        settle = () => next.reject(error);
      }
      if (this.#waiting[0] !== next) return; // the room is over
      this.#waiting.shift();
      settle();
    }
    if (this.#signal === signal) this.#sending = false;
  }
}

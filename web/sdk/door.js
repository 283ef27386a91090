/** The way in: which nodes there are, and a token that says who we are. */

import { Device } from "./device.js";
import { StarlingError } from "./errors.js";
import { createSession } from "./nodes.js";
import { Prober } from "./prober.js";

/** @typedef {import("./nodes.js").Candidate} Candidate */

/** Finds nodes and gets tokens, from whichever node answers. */
export class Door {
  /** Nodes as measured, best first. @type {Candidate[]} */
  candidates = [];
  /** @type {string | null} */
  token = null;
  /** The chat messages that were seen last, the newest at the end. @type {() => string[]} */
  seenChats = () => [];
  /** The nodes were measured anew, as the network is another one. @type {() => void} */
  measuredAgain = () => {};
  #prober = new Prober();
  /** Where a node sent us for the way in, as it takes that one to be nearer. @type {string | null} */
  #sentTo = null;
  /** A search for nodes that runs. @type {Promise<void> | null} */
  #looking = null;
  /** The network changed since the nodes were measured. */
  #isStale = false;
  /** The device that the token speaks of. */
  #tokenOf = "";
  /** @type {Device | null} */
  device = null;

  /**
   * @param {{room: string, name: string, base: string, node: string | null, insist?: boolean, userToken: string | null,
   *   invitation?: string | null, pin?: string | null}} who
   */
  constructor({ room, name, base, node, insist = false, userToken, invitation = null, pin = null }) {
    this.room = room;
    this.name = name;
    this.base = base;
    this.fixedNode = node ?? (insist ? base : null);
    this.userToken = userToken;
    /** What is shown at each join, after a reconnection too. */
    this.shown = { ...(invitation && { invitation }), ...(pin && { pin }) };
  }

  /** Be ready to knock: know this device, the nodes, and have a token, an earlier page's if there is one. */
  async approach() {
    this.device = await Device.mine();
    this.token = this.device.token(this.name, this.userToken);
    this.#tokenOf = this.device.id;
    if (!this.fixedNode) this.#prober.watch(() => this.#lookAgain());
    await Promise.all([this.look(), this.token ? null : this.admit()]);
    this.#heed();
  }

  /** Round trips that hold, in ms by the name of the node; none where the node is not ours to choose. */
  get rtts() {
    return this.fixedNode ? new Map() : this.#prober.rtts;
  }

  /** No more looking. */
  close() {
    this.#prober.close();
  }

  /** A token of the device that this page is now. */
  async freshen() {
    await this.device.settled();
    if (this.#tokenOf !== this.device.id) await this.admit();
  }

  /** Look for nodes again. */
  look() {
    this.#looking ??= this.#look()
      .catch((error) => {
        this.#isStale = true;
        throw error;
      })
      .finally(() => {
        this.#looking = null;
      });
    return this.#looking;
  }

  /**
   * Wait for nodes as they are on the network that we have now, if it changed; no longer than a moment, as the nodes that
   * we know may still do. @param {number} ms
   */
  async lookIfStale(ms) {
    if (!this.#isStale && !this.#looking) return;
    const late = new Promise((resolve) => {
      setTimeout(resolve, ms);
    });
    await Promise.race([this.look().catch(() => {}), late]);
  }

  /** That node failed us: it is not taken to be near until it is measured again. @param {string} url */
  doubt(url) {
    this.#prober.doubt(url);
    const candidate = this.candidates.find((one) => one.url === url);
    if (candidate) candidate.measured = null;
  }

  async #look() {
    if (this.fixedNode) {
      this.candidates = [{ node: "", url: this.fixedNode, region: "", why: ["chosen"], measured: null }];
      return;
    }
    this.#isStale = false;
    this.candidates = await this.#askAnyNode((url) => this.#prober.find(url, this.room));
    if (this.candidates.length === 0) throw new StarlingError("node_full", "No node takes people right now. Try later.");
  }

  /** Get a new token. */
  async admit() {
    await this.device.settled();
    const body = { name: this.name, device: this.device.id };
    if (this.userToken) body.token = this.userToken;
    const where = { stay: this.fixedNode !== null, room: this.room, rtts: this.#prober.rtts };
    const ask = (url) => createSession(url, body, where);
    const { token, sentTo } = await (this.fixedNode ? ask(this.fixedNode) : this.#askAnyNode(ask));
    this.#sentTo = sentTo;
    this.keepToken(token);
  }

  /**
   * Take the seat, on a socket that has said hello.
   * @param {import("./signal.js").Signal} signal @param {string[]} [features] What the node says it understands.
   */
  async sit(signal, features = []) {
    const { room, device } = this;
    const seat = { room, ...this.shown };
    const seen = this.seenChats();
    if (seen.length && features.includes("chat_after")) seat.chat_after = seen.at(-1);
    if (seen.length && features.includes("chat_seen")) seat.chat_seen = seen;
    if (features.includes("move")) seat.moves = true;
    if (features.includes("gather") && !this.fixedNode) Object.assign(seat, { gathers: true, ...this.#measuredNodes() });
    try {
      return await signal.request("join", { ...seat, attempt: device.raise() });
    } catch (error) {
      if (error.code !== "attempt_stale" || error.highestAttempt === null) throw error;
      if (!device.sure) {
        // Another page may be this device, and we would take turns outbidding each other.
        await device.renew();
        throw new StarlingError("device_renewed", "This tab is a copy of another; it joins as a device of its own.");
      }
      // Once is enough, as nobody but the holder of the device's lock raises it.
      return signal.request("join", { ...seat, attempt: device.raise(error.highestAttempt) });
    }
  }

  /** A fresher token, for us and for the page after a reload. @param {string} token */
  keepToken(token) {
    this.token = token;
    this.#tokenOf = this.device.id;
    this.device.keepToken(this.name, token, this.userToken);
  }

  /** The network is another one. A search that runs began on the one before. */
  async #lookAgain() {
    this.#isStale = true;
    await this.#looking?.catch(() => {});
    if (!this.#isStale) return;
    await this.look().then(() => this.#prober.complete, () => {});
    if (!this.#isStale) this.measuredAgain();
  }

  /** What we measured of nodes, in ms by their names: with it a node judges where our room is best. */
  #measuredNodes() {
    const { rtts } = this.#prober;
    return rtts.size ? { rtts_ms: Object.fromEntries(rtts) } : {};
  }

  /** Where we could measure nothing, the word of the node that sent us on counts. */
  #heed() {
    const sentTo = this.candidates.find(({ url }) => new URL(url).origin === this.#sentTo);
    if (!sentTo || this.candidates.some(({ measured }) => measured !== null)) return;
    this.candidates = [sentTo, ...this.candidates.filter((one) => one !== sentTo)];
  }

  /** Any node will do: the one the page came from, else those it named. */
  async #askAnyNode(ask) {
    const bases = new Set([this.base, ...this.candidates.map((candidate) => candidate.url)]);
    let last;
    for (const base of bases) {
      try {
        return await ask(base);
      } catch (error) {
        if (error.code !== "node_unreachable") throw error;
        last = error;
      }
    }
    throw last;
  }
}

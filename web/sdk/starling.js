/**
 * Starling in the browser: find the nearest node, take a seat in a room, send and receive tracks.
 *
 *     import { Room } from "/sdk/starling.js";
 *     const room = new Room({ room: "lobby", name: "Ada" });
 *     room.addEventListener("trackadded", ({ detail }) => show(detail.participant, detail.track.media));
 *     await room.join();
 *     await room.publish(cameraTrack, { source: "camera" });
 *
 * Theory of operation. `GET /v1/nodes` names candidates; each is measured by pings on a WebSocket that says nothing
 * else. `POST /v1/sessions` gives a token, which is the first message on the WebSocket to the chosen node. Two peer
 * connections carry media: the publisher, where this side offers, and the subscriber, where the node offers, so offers
 * never cross. When the WebSocket breaks, the same device joins again with a higher attempt, and the room notices
 * nothing if that is soon enough. A seat that a newer join took is not fought for.
 *
 * Every wait has a deadline. Errors are `StarlingError`s with a stable `code` and a sentence for people.
 */

import { Device } from "./device.js";
import { StarlingError, told } from "./errors.js";
import { call, findNodes } from "./nodes.js";
import { People } from "./people.js";
import { Publication, Publisher, Subscriber } from "./peers.js";
import { Signal } from "./signal.js";

export { findNodes, probe } from "./nodes.js";
export { Publication, StarlingError };

const PROTOCOL_VERSION = 1;
const LEAVE_DEADLINE = 1_500;

/** Full jitter: a random pause below a bound (ms) that doubles, up to a limit, until we give up. */
const FIRST_BACKOFF = 300;
const MAX_BACKOFF = 8_000;
const RECONNECT_DEADLINE = 120_000;

/** Close codes after which connecting again would only fail again. */
const FINAL_CLOSES = new Set([4400, 4403, 4409, 4413, 4426]);
const TOKEN_ERRORS = new Set(["token_invalid", "token_expired", "token_foreign"]);

/** @param {number} ms */
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** @typedef {import("./nodes.js").Candidate} Candidate */
/** @typedef {import("./peers.js").Source} Source */
/** @typedef {import("./people.js").Participant} Participant */
/** @typedef {"idle" | "connecting" | "connected" | "reconnecting" | "closed"} State */
/**
 * A seat in a room.
 *
 * Events (each a CustomEvent, `detail` in braces):
 * - `statechange` {state}: one of `State`;
 * - `participantjoined`, `participantleft` {participant, reason?};
 * - `trackadded` {participant, track}: `track.media` is there to be shown; comes again with new media after a rejoin;
 * - `trackremoved` {participant, track};
 * - `trackmuted` {participant, track}: `track.muted` changed, or is true from the start;
 * - `chat` {id, participant, name, text, at: Date, mine};
 * - `reconnecting` {code}, `resumed` {}: the connection broke, and is back;
 * - `trouble` {code, message}: our tracks did not get through after a (re)connection; the seat stays;
 * - `replaced` {}: a newer join holds the seat; this object is done;
 * - `closed` {code, message}: it is over; nothing follows.
 */
export class Room extends EventTarget {
  #signal = null;
  #publisher = null;
  #subscriber = null;
  #token = null;
  #device = null;
  /** @type {Set<Publication>} */
  #publications = new Set();
  #people = new People((name, detail) => this.#emit(name, detail));
  /** @type {State} */
  #state = "idle";

  /**
   * @param {object} options
   * @param {string} options.room Name of the room.
   * @param {string} options.name What others are to call you.
   * @param {string} [options.base] URL of any node; the page's own by default.
   * @param {string} [options.node] URL of the node to use, instead of the nearest.
   * @param {string} [options.userToken] Who you are; a guest has none.
   */
  constructor({ room, name, base = location.origin, node, userToken }) {
    super();
    this.room = room;
    this.name = name;
    this.base = base;
    this.fixedNode = node ?? null;
    this.userToken = userToken ?? null;
    /** Nodes as measured, best first. @type {Candidate[]} */
    this.candidates = [];
    /** Where we are: `{node, region, url}` once connected. */
    this.home = null;
  }

  get state() {
    return this.#state;
  }

  /** The others. @returns {Map<string, Participant>} */
  get participants() {
    return this.#people.participants;
  }

  /** Our own participant id. @returns {string | null} */
  get me() {
    return this.#people.me;
  }

  /** Round trip to the node in ms, the best of the last few pings. @returns {number | null} */
  get rtt() {
    return this.#signal?.rtt ?? null;
  }

  /** Our tracks. */
  get publications() {
    return [...this.#publications];
  }

  /**
   * Find the nearest node and take a seat. Tracks may be published before or after.
   * @throws {StarlingError} and the room is closed.
   */
  async join() {
    if (this.#state !== "idle") throw new StarlingError("already_in_room", "This room has been joined before.");
    this.#become("connecting");
    try {
      this.#device = await Device.mine();
      this.#token = this.#device.token(this.name);
      await Promise.all([this.#look(), this.#token ? null : this.#admit()]);
      await this.#connectSomewhere();
    } catch (caught) {
      const error = told(caught);
      this.#close(error.code, error.message);
      throw error;
    }
    return this;
  }

  /**
   * Send a track to the room. Where the connection breaks meanwhile, it is sent once there is one again.
   * @param {MediaStreamTrack} media
   * @param {{source?: Source, muted?: boolean}} [options]
   * @throws {StarlingError} the node refused it; it is not published.
   */
  async publish(media, { source = media.kind === "audio" ? "microphone" : "camera", muted = false } = {}) {
    const publication = new Publication(media, source, muted);
    this.#publications.add(publication);
    const publisher = this.#publisher;
    try {
      await publisher?.negotiate();
    } catch (error) {
      // A publisher of a new connection or a new engine takes it along, or will.
      if (publisher !== this.#publisher || error.code === "engine_unavailable") return publication;
      this.#publications.delete(publication);
      throw error;
    }
    return publication;
  }

  /** @param {Publication} publication */
  async unpublish(publication) {
    if (this.#publications.delete(publication)) await this.#publisher?.negotiate();
  }

  /** Be silent or dark, and say so. @param {Publication} publication @param {boolean} muted */
  async mute(publication, muted) {
    publication.muted = muted;
    publication.media.enabled = !muted;
    await this.#publisher?.sayMuted(publication);
  }

  /** Say something to the room; it comes back as a `chat` event. @param {string} text */
  async chat(text) {
    if (!this.#signal) throw new StarlingError("not_in_room", "There is no connection right now.");
    const nonce = Array.from(crypto.getRandomValues(new Uint32Array(2)), (word) => word.toString(16)).join("-");
    return this.#signal.request("chat", { text, nonce });
  }

  /** Give the seat back and hang up. Never throws. */
  async leave() {
    if (this.#state === "closed") return;
    const signal = this.#signal;
    if (this.#state === "connected") await signal.request("leave", {}, LEAVE_DEADLINE).catch(() => {});
    this.#close("left", "You left the room.");
  }

  // --- getting there ---------------------------------------------------------------------------------------------

  async #look() {
    if (this.fixedNode) {
      this.candidates = [{ node: "", url: this.fixedNode, region: "", why: ["chosen"], measured: null }];
      return;
    }
    this.candidates = await this.#askAnyNode((url) => findNodes(url, this.room));
    if (this.candidates.length === 0) throw new StarlingError("node_full", "No node takes people right now. Try later.");
  }

  async #admit() {
    const body = { name: this.name, device: this.#device.id };
    if (this.userToken) body.token = this.userToken;
    const ask = (url) => call(url, "/v1/sessions", body);
    this.#token = (await (this.fixedNode ? ask(this.fixedNode) : this.#askAnyNode(ask))).token;
    this.#device.keepToken(this.name, this.#token);
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

  async #connectSomewhere() {
    let last = null;
    for (const candidate of this.candidates) {
      try {
        return await this.#connect(candidate);
      } catch (error) {
        if (error.final || this.#state === "closed") throw error;
        last = error;
      }
    }
    throw last;
  }

  /** @param {Candidate} candidate */
  async #connect(candidate) {
    try {
      await this.#enter(candidate);
    } catch (error) {
      if (!TOKEN_ERRORS.has(error.code)) throw error;
      // The token of an earlier page has had its time: once more with a new one.
      await this.#admit();
      await this.#enter(candidate);
    }
  }

  async #enter(candidate) {
    const signal = await Signal.open(candidate.url);
    try {
      const hello = { token: this.#token, protocol: PROTOCOL_VERSION, client: "starling.js" };
      const welcome = await signal.request("hello", hello);
      this.#keepToken(welcome.token);
      const joined = await this.#sit(signal);
      if (this.#state === "closed") throw new StarlingError("left", "You left the room.");
      this.home = { node: welcome.node, region: welcome.region, url: candidate.url };
      this.#settle(signal, joined);
    } catch (error) {
      signal.close();
      throw error;
    }
  }

  async #sit(signal) {
    try {
      return await signal.request("join", { room: this.room, attempt: this.#device.raise() });
    } catch (error) {
      if (error.code !== "attempt_stale" || error.highestAttempt === null) throw error;
      // Only who holds the device's lock gets here; once is enough, as nobody else raises it.
      return signal.request("join", { room: this.room, attempt: this.#device.raise(error.highestAttempt) });
    }
  }

  #settle(signal, joined) {
    this.#signal = signal;
    this.#people.me = joined.participant;
    signal.onevent = (message) => this.#heard(message);
    signal.onclose = (code, reason) => this.#lost(code, reason);
    signal.keepAlive();
    this.#openPeers();
    this.#people.meet(joined.participants);
    this.#become("connected");
  }

  #openPeers() {
    const signal = this.#signal;
    const failed = () => {
      if (this.#signal === signal) this.#lost(4500, "media_failed");
    };
    this.#publisher = new Publisher(signal, this.#publications, failed);
    this.#subscriber = new Subscriber(signal, failed, (track, receiver) => this.#people.arrived(track, receiver));
    this.#publishAll(this.#publisher);
  }

  /** Send what was published before, under the ids that the room knows. */
  async #publishAll(publisher) {
    try {
      await publisher.negotiate();
    } catch (error) {
      if (publisher !== this.#publisher || error.code !== "track_unknown") return this.#trouble(error);
      for (const publication of this.#publications) publication.id = null;
      await publisher.negotiate().catch((again) => this.#trouble(again));
    }
    return undefined;
  }

  #trouble(error) {
    const { code, message } = told(error);
    this.#emit("trouble", { code, message });
  }

  #closePeers() {
    this.#publisher?.close();
    this.#subscriber?.close();
    this.#publisher = this.#subscriber = null;
    this.#people.forgetReceivers();
  }

  #keepToken(token) {
    this.#token = token;
    this.#device.keepToken(this.name, token);
  }

  // --- losing it -------------------------------------------------------------------------------------------------

  #lost(code, reason) {
    if (this.#state !== "connected") return;
    if (reason === "replaced" || code === 4409) return this.#replaced();
    if (FINAL_CLOSES.has(code)) return this.#close(reason || "connection_lost", "The node ended the connection.");
    return this.#reconnect(reason || "connection_lost");
  }

  async #reconnect(code) {
    this.#hangUp();
    this.#become("reconnecting");
    this.#emit("reconnecting", { code });
    const until = performance.now() + RECONNECT_DEADLINE;
    let error = new StarlingError(code, "The connection is gone.");
    for (let tries = 0; this.#state === "reconnecting" && performance.now() < until; tries += 1) {
      await pause(Math.random() * Math.min(MAX_BACKOFF, FIRST_BACKOFF * 2 ** tries));
      if (this.#state !== "reconnecting") return;
      try {
        // The node that we know first: most often only the path to it broke.
        if (tries > 0 || code === "node_draining") await this.#look().catch(() => {});
        await this.#connectSomewhere();
        this.#emit("resumed", {});
        return;
      } catch (failure) {
        error = told(failure);
        if (error.code === "replaced") return this.#replaced();
        if (error.final) break;
      }
    }
    this.#close(error.code, error.message);
  }

  #replaced() {
    if (this.#state === "closed") return;
    this.#emit("replaced", {});
    this.#close("replaced", "This room was opened again in another tab or window, which took the place of this one.");
  }

  #hangUp() {
    const signal = this.#signal;
    this.#signal = null;
    this.#closePeers();
    if (signal) {
      signal.onclose = signal.onevent = () => {};
      signal.close();
    }
  }

  #close(code, message) {
    if (this.#state === "closed") return;
    this.#hangUp();
    this.#become("closed");
    this.#emit("closed", { code, message });
  }

  // --- what the node says ----------------------------------------------------------------------------------------

  #heard(message) {
    const { participant, track } = message;
    switch (message.topic) {
      case "token":
        return this.#keepToken(message.token);
      case "participant_joined":
        return this.#people.welcome(participant);
      case "participant_left":
        return this.#people.farewell(participant, message.reason);
      case "track_published":
        return this.#people.learn(participant, track);
      case "track_unpublished":
        return this.#people.forget(participant, track);
      case "track_muted":
        return this.#people.hush(participant, track, message.muted);
      case "chat":
        return this.#emit("chat", {
          id: message.message,
          participant: message.participant,
          name: message.name,
          text: message.text,
          at: new Date(message.at_ms),
          mine: message.participant === this.me,
        });
      case "offer":
        return this.#subscriber?.take(message);
      case "restart":
        this.#closePeers();
        return this.#openPeers();
      case "replaced":
        return this.#replaced();
      case "seat_lost":
        return this.#seatLost(message.reason);
      default:
        return undefined; // a newer node may say more
    }
  }

  #seatLost(reason) {
    if (reason === "replaced") return this.#replaced();
    if (reason === "node_drained" || reason === "node_lost") return this.#reconnect("node_draining");
    const told = reason === "kicked" ? "You were removed from the room." : "Your seat in the room is gone.";
    return this.#close(reason, told);
  }

  #become(state) {
    this.#state = state;
    this.#emit("statechange", { state });
  }

  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

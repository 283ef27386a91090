/** The way of a room to a node and back to one: connecting, losing the connection, coming again, and the end. */

import { StarlingError, told } from "./errors.js";
import { Awakening, inOrder, isUnfit, pauseBefore, RETRY_DEADLINE } from "./retry.js";
import { Signal } from "./signal.js";

const PROTOCOL_VERSION = 1;
const LEAVE_DEADLINE = 1_500;

/** Ms for a socket to open when we come again: a node that swallows packets must not use up the seat's grace. */
const REOPEN_DEADLINE = 2_500;
/** Ms for a pong when we doubt the connection. */
const CHECK_DEADLINE = 4_000;

/** Close codes after which connecting again would only fail again. */
const FINAL_CLOSES = new Set([4400, 4403, 4409, 4413, 4426]);
/** What a new session token mends. */
const TOKEN_ERRORS = new Set(["token_invalid", "token_expired", "token_foreign", "device_renewed"]);

/** @typedef {import("./door.js").Door} Door */
/** @typedef {import("./nodes.js").Candidate} Candidate */
/** @typedef {"idle" | "connecting" | "connected" | "reconnecting" | "closed"} State */
/**
 * @typedef {object} Tenant Who lives on the connection.
 * @property {(signal: Signal, joined: any) => void} settle There is a seat.
 * @property {(signal: Signal, joined: any, former: Signal) => void} move The seat is on another node now: go over to it, and
 *   then close the former socket.
 * @property {() => void} hangUp The connection is gone, for now or for good.
 * @property {(message: any) => void} heard The node says something unasked.
 * @property {(why: {code: string, message: string}) => void} close It is over; nothing follows.
 * @property {(event: string, detail: object) => void} emit Told to the page.
 */

/** One seat over as many sockets as it takes, one after the other. */
export class Connection {
  /** @type {Door} */
  #door;
  /** @type {Tenant} */
  #tenant;
  /** @type {Signal | null} */
  #signal = null;
  /** @type {State} */
  #state = "idle";
  /** @type {Awakening | null} */
  #awakening = null;
  /** Nodes that failed us since we were last connected. @type {Set<string>} */
  #unfit = new Set();
  /** Where we are: `{node, region, url}` once connected. */
  home = null;
  /** Ends when a move has come to something or to nothing. @type {Promise<void> | null} */
  #moving = null;
  /** What the node understands beyond the first version. @type {string[]} */
  features = [];

  /** @param {Door} door @param {Tenant} tenant */
  constructor(door, tenant) {
    this.#door = door;
    this.#tenant = tenant;
    door.measuredAgain = () => this.#report();
  }

  get state() {
    return this.#state;
  }

  /** The socket with the seat, if there is one. */
  get signal() {
    return this.#signal;
  }

  /** Find the nearest node and take the seat. @throws {StarlingError} and it is over. */
  async join() {
    if (this.#state !== "idle") throw new StarlingError("already_in_room", "This room has been joined before.");
    this.#become("connecting");
    this.#awakening = new Awakening(() => this.#check());
    try {
      await this.#door.approach();
      await this.#connectSomewhere();
    } catch (caught) {
      const error = told(caught);
      this.#close(error.code, error.message);
      throw error;
    }
  }

  /** Give the seat back and hang up. Never throws. */
  async leave() {
    if (this.#state === "closed") return;
    if (this.#state === "connected") await this.#signal.request("leave", {}, LEAVE_DEADLINE).catch(() => {});
    this.#close("left", "You left the room.");
  }

  /** Ask the node something. @param {string} topic @param {object} body @returns {Promise<any>} */
  request(topic, body) {
    if (!this.#signal) return Promise.reject(new StarlingError("not_in_room", "There is no connection right now."));
    return this.#signal.request(topic, body);
  }

  /** Media over that socket's node failed: connect again, unless that happened already. @param {Signal} signal */
  failed(signal) {
    if (this.#signal === signal) this.#lost(4500, "media_failed");
  }

  // --- getting there ---------------------------------------------------------------------------------------------

  async #connectSomewhere() {
    let last = null;
    for (const candidate of inOrder(this.#door.candidates, this.home, this.#unfit)) {
      try {
        return await this.#connect(candidate);
      } catch (error) {
        if (error.final || this.#state === "closed") throw error;
        if (isUnfit(error.code)) this.#distrust(candidate.url);
        last = error;
      }
    }
    throw last ?? new StarlingError("node_unreachable", "There is no node to connect to. Try again.");
  }

  /** @param {Candidate} candidate */
  async #connect(candidate) {
    await this.#door.freshen();
    try {
      await this.#enter(candidate);
    } catch (error) {
      if (!TOKEN_ERRORS.has(error.code)) throw error;
      // The token of an earlier page has had its time: once more with a new one.
      await this.#door.admit();
      await this.#enter(candidate);
    }
  }

  async #enter(candidate) {
    const signal = await Signal.open(candidate.url, this.#state === "connecting" ? undefined : REOPEN_DEADLINE);
    try {
      const hello = { token: this.#door.token, protocol: PROTOCOL_VERSION, client: "starling.js" };
      const welcome = await signal.request("hello", hello);
      this.#door.keepToken(welcome.token);
      const joined = await this.#door.sit(signal, welcome.features);
      if (this.#state === "closed") throw new StarlingError("left", "You left the room.");
      this.features = welcome.features ?? [];
      this.home = { node: welcome.node, region: welcome.region, url: candidate.url };
      this.#settle(signal, joined);
    } catch (error) {
      signal.close();
      throw error;
    }
  }

  #settle(signal, joined) {
    const former = this.#signal;
    this.#signal = signal;
    this.#unfit.clear();
    signal.onevent = (message) => this.#heard(message);
    signal.onclose = (code, reason, sentence) => this.#lost(code, reason, sentence);
    signal.keepAlive();
    if (former) {
      former.onevent = former.onclose = () => {};
      this.#tenant.move(signal, joined, former);
      return;
    }
    this.#tenant.settle(signal, joined);
    this.#become("connected");
  }

  // --- going to another node while this one still stands -----------------------------------------------------------

  /**
   * Say how far nodes are, as we measured it: where another one is clearly nearer, considering the whole room, the node
   * tells us to move. It decides that, as it has to keep our old connection in place until the new one carries.
   */
  #report() {
    const { rtts } = this.#door;
    if (this.#state !== "connected" || this.#moving || !rtts.size || !this.features.includes("measured")) return;
    // Ours is not measured where there are many that are nearer.
    const own = rtts.has(this.home.node) || this.#signal.rtt === null ? {} : { [this.home.node]: this.#signal.rtt };
    this.#signal.request("measured", { rtts_ms: { ...own, ...Object.fromEntries(rtts) } }).catch(() => {});
  }

  /** Our node is about to go, or is far, and names others. @param {{urls: string[], reason: string}} move */
  #move(move) {
    this.#moving ??= this.#tryElsewhere(move).finally(() => {
      this.#moving = null;
    });
    return this.#moving;
  }

  async #tryElsewhere({ urls, reason }) {
    const former = this.#signal;
    for (const url of urls) {
      try {
        await this.#door.freshen();
        if (this.#state !== "connected" && this.#state !== "reconnecting") return;
        await this.#enter({ url });
        this.#tenant.emit("moved", { reason, home: this.home });
        return;
      } catch {
        // The next one, or we stay for as long as this node lets us.
      }
      if (this.#signal !== former) return;
    }
  }

  // --- losing it -------------------------------------------------------------------------------------------------

  #heard(message) {
    switch (message.topic) {
      case "token":
        return this.#door.keepToken(message.token);
      case "move":
        return this.#move(message);
      case "replaced":
        return this.#replaced();
      case "seat_lost":
        return this.#seatLost(message.reason);
      default:
        return this.#tenant.heard(message);
    }
  }

  #lost(code, reason, sentence = "") {
    if (this.#state !== "connected") return;
    if (reason === "replaced" || code === 4409) return this.#replaced();
    if (FINAL_CLOSES.has(code)) return this.#close(reason || "connection_lost", sentence || "The node ended the connection.");
    return this.#reconnect(reason || "connection_lost");
  }

  #seatLost(reason) {
    if (reason === "replaced") return this.#replaced();
    if (reason === "node_drained" || reason === "node_lost") return this.#reconnect("node_draining");
    const sentence = reason === "kicked" ? "Whoever looks after the room removed you from it." : "Your seat in the room is gone.";
    return this.#close(reason, sentence);
  }

  async #reconnect(code) {
    this.#hangUp();
    if (isUnfit(code) && code !== "connection_lost" && this.home) this.#distrust(this.home.url);
    this.#become("reconnecting");
    this.#tenant.emit("reconnecting", { code });
    if (this.#moving) {
      await this.#moving; // a second join on its way would outbid the first
      if (this.#state === "connected") return this.#tenant.emit("resumed", {});
    }
    const until = performance.now() + RETRY_DEADLINE;
    let asked = 0;
    for (let tries = 0; this.#isAway(); tries += 1) {
      // Once there is a reason to hope, the tries before it count no longer.
      if (await this.#awakening.pause(pauseBefore(tries, Math.random, asked))) tries = 0;
      if (!this.#isAway()) return;
      const error = await this.#tryAgain(tries > 0);
      if (!error && this.#state === "connected") return this.#tenant.emit("resumed", {});
      if (!error || !this.#isAway()) return;
      if (error.code === "replaced") return this.#replaced();
      if (error.final) return this.#close(error.code, error.message);
      if (performance.now() > until) return this.#disconnected(error);
      asked = error.retryAfter;
    }
  }

  /** @param {boolean} look Ask which nodes there are now. @returns {Promise<StarlingError | null>} why it failed */
  async #tryAgain(look) {
    try {
      await (look ? this.#door.look().catch(() => {}) : this.#door.lookIfStale(REOPEN_DEADLINE));
      if (this.#isAway()) await this.#connectSomewhere();
      return null;
    } catch (failure) {
      return told(failure);
    }
  }

  #distrust(url) {
    this.#unfit.add(url);
    this.#door.doubt(url);
  }

  #isAway() {
    return this.#state === "reconnecting";
  }

  /** Find out whether the connection outlived whatever the computer or the network did. */
  #check() {
    this.#signal?.check(CHECK_DEADLINE);
  }

  #disconnected({ code, message }) {
    if (this.#state === "closed") return;
    this.#tenant.emit("disconnected", { code });
    this.#close("disconnected", `The connection could not be restored. ${message}`);
  }

  #replaced() {
    if (this.#state === "closed") return;
    this.#tenant.emit("replaced", {});
    this.#close("replaced", "This room was opened again in another tab or window, which took the place of this one.");
  }

  #hangUp() {
    const signal = this.#signal;
    this.#signal = null;
    this.#tenant.hangUp();
    if (signal) {
      signal.onclose = signal.onevent = () => {};
      signal.close();
    }
  }

  #close(code, message) {
    if (this.#state === "closed") return;
    this.#hangUp();
    this.#awakening?.close();
    this.#door.close();
    this.#tenant.close({ code, message });
    this.#become("closed");
    this.#tenant.emit("closed", { code, message });
  }

  #become(state) {
    this.#state = state;
    this.#tenant.emit("statechange", { state });
  }
}

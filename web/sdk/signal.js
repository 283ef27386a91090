/** One WebSocket to a node. */

import { StarlingError } from "./errors.js";
import { socketUrl } from "./nodes.js";

/** Milliseconds; the node pings every 5 s and drops a client that is silent for 10 s. */
const OPEN_DEADLINE = 8_000;
const REPLY_DEADLINE = 10_000;
const PING_INTERVAL = 5_000;
const SILENCE_DEADLINE = 15_000;
const REMEMBERED_PINGS = 6;

const REPLIES = new Set(["welcome", "joined", "published", "chat_sent", "chat_page", "ok", "pong", "error"]);

/** Requests with replies, events, and pings both ways. */
export class Signal {
  #socket;
  #requests = 0;
  /** @type {Map<number, {resolve: Function, reject: Function, timer: number}>} */
  #waiting = new Map();
  #heardAt = performance.now();
  #heart = 0;
  #over = false;
  /** Newest round trips in ms. @type {number[]} */
  #rtts = [];
  /** @type {(message: any) => void} */
  onevent = () => {};
  /** Why the node ends the connection, which it says to nobody's request. */
  #lastWord = "";
  /** Told how it ended, with the node's sentence about it if there was one. @type {(code: number, reason: string, sentence: string) => void} */
  onclose = () => {};

  /** @param {string} url @param {number} [deadline] ms @returns {Promise<Signal>} */
  static open(url, deadline = OPEN_DEADLINE) {
    return new Promise((resolve, reject) => {
      const refuse = () =>
        reject(new StarlingError("node_unreachable", `${new URL(url).host} takes no connection. Try again.`));
      let socket;
      try {
        socket = new WebSocket(socketUrl(url));
      } catch {
        refuse(); // no valid address, or plain ws from a page that came by https
        return;
      }
      const fail = () => {
        clearTimeout(timer);
        socket.onopen = socket.onclose = null;
        socket.close();
        refuse();
      };
      const timer = setTimeout(fail, deadline);
      socket.onclose = fail;
      socket.onopen = () => {
        clearTimeout(timer);
        resolve(new Signal(socket));
      };
    });
  }

  constructor(socket) {
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onclose = ({ code, reason }) => this.#end(code, reason);
  }

  /** Ping from now on; call it after `welcome`. */
  keepAlive() {
    const beat = async () => {
      if (performance.now() - this.#heardAt > SILENCE_DEADLINE) {
        this.#socket.close();
        this.#end(4410, "ping_timeout"); // a dead path never lets the closing handshake finish
        return;
      }
      const sentAt = performance.now();
      try {
        await this.request("ping");
        this.#rtts = [performance.now() - sentAt, ...this.#rtts].slice(0, REMEMBERED_PINGS);
      } catch {
        // The silence deadline above is what ends the connection.
      }
    };
    beat();
    this.#heart = setInterval(beat, PING_INTERVAL);
  }

  /** End the connection unless the node answers in time. @param {number} deadline ms */
  async check(deadline) {
    const error = await this.request("ping", {}, deadline).then(() => null, (refusal) => refusal);
    if (error?.code !== "deadline_exceeded") return;
    this.#socket.close();
    this.#end(4410, "ping_timeout");
  }

  /** Round trip in ms. The best of a few: what is above it is this page being busy. @returns {number | null} */
  get rtt() {
    return this.#rtts.length ? Math.min(...this.#rtts) : null;
  }

  /** Send a request and wait for its reply. @param {string} topic @returns {Promise<any>} */
  request(topic, body = {}, deadline = REPLY_DEADLINE) {
    return new Promise((resolve, reject) => {
      if (this.#over) return reject(new StarlingError("connection_lost", "The connection to the node is gone."));
      this.#requests += 1;
      const id = this.#requests;
      const late = () => {
        this.#waiting.delete(id);
        reject(new StarlingError("deadline_exceeded", "The node took too long to answer. Try again."));
      };
      this.#waiting.set(id, { resolve, reject, timer: setTimeout(late, deadline) });
      this.tell(topic, { ...body, id });
    });
  }

  /** Send a message that needs no reply. @param {string} topic */
  tell(topic, body = {}) {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify({ topic, ...body }));
  }

  close() {
    this.#socket.close(1000);
    this.#end(1000, "");
  }

  #receive(data) {
    this.#heardAt = performance.now();
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      this.#socket.close();
      return this.#end(4400, "malformed_message");
    }
    if (message.topic === "ping") return this.tell("pong", { n: message.n });
    if (!REPLIES.has(message.topic)) return this.onevent(message);
    const waiting = this.#waiting.get(message.id);
    if (!waiting) {
      // The node's last word, whose code the close frame repeats; or a reply too late.
      if (message.topic === "error" && !message.id) this.#lastWord = message.message;
      return undefined;
    }
    this.#waiting.delete(message.id);
    clearTimeout(waiting.timer);
    if (message.topic !== "error") return waiting.resolve(message);
    return waiting.reject(new StarlingError(message.code, message.message, message.highest_attempt ?? null));
  }

  #end(code, reason) {
    if (this.#over) return;
    this.#over = true;
    clearInterval(this.#heart);
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(new StarlingError(reason || "connection_lost", this.#lastWord || "The connection to the node is gone."));
    }
    this.#waiting.clear();
    this.onclose(code, reason, this.#lastWord);
  }
}

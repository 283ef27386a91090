/**
 * Which node is nearest: measured, remembered, and measured again where the network is another one.
 *
 * Theory of operation. A node names the candidates for our room. The first few are measured all at once, each by pings on
 * a WebSocket that says nothing else, so it never has a session: the middle of five counts, as one may wait behind
 * something. Once the first is done the others get as long again, which is enough for all that are not far behind: a node
 * that is dead or at the other end of the world delays nobody, and is measured to the end while the room begins. With what was measured the node is asked once more, as it
 * alone knows how far its fellows are from each other, and so the longest way to anybody in the room. A node of an older
 * version knows nothing of that; then the nearest is taken.
 *
 * What was measured holds for ten minutes in this tab, reloads included, unless the network changes.
 */

import { askForNodes, socketUrl } from "./nodes.js";

/** @typedef {import("./nodes.js").Candidate} Candidate */

/** Nodes measured at once, pings each. */
const PROBED_NODES = 5;
const PINGS = 5;
/** Ms for all of it; 300 ms away takes four round trips over TLS before the first pong. */
const PROBE_DEADLINE = 2_000;
/** Ms that the others get beyond as long again, when the first is done. */
const SETTLE = 100;
/** Two round trips closer than this (ms) are the same; then the node's own order counts. */
const RTT_TIE = 8;
/** Ms that a figure holds, and that a node counts as dead. */
const FIGURE_TTL = 600_000;
const SILENCE_TTL = 30_000;
/** Figures that are kept. */
const MAX_FIGURES = 64;
/** Ms from a sign of another network until it is believed: signs come in swarms. */
const CHANGE_PAUSE = 300;

const STORED = "starling.nodes";

/** Pings to one node. */
class Probe {
  /** Round trips in ms. @type {number[]} */
  #taken = [];
  #at = 0;
  #socket = null;
  done = false;

  /** @param {string} url @param {() => void} ondone Called once: it has all its pongs, or there will be no more. */
  constructor(url, ondone) {
    this.ondone = ondone;
    try {
      this.#socket = new WebSocket(socketUrl(url));
    } catch {
      this.done = true; // no valid address, or plain ws from a page that came by https
      return;
    }
    this.#socket.onopen = () => this.#ping();
    this.#socket.onerror = this.#socket.onclose = () => this.close();
    this.#socket.onmessage = ({ data }) => {
      if (!this.#isPong(data)) return this.close(); // no node, or none of ours: what it answered until then counts
      this.#taken.push(performance.now() - this.#at);
      if (this.isComplete) this.close();
      else this.#ping();
      return undefined;
    };
  }

  get isComplete() {
    return this.#taken.length === PINGS;
  }

  /** The middle one; null when there is none. @returns {number | null} */
  get rtt() {
    const sorted = [...this.#taken].sort((a, b) => a - b);
    return sorted.length ? sorted[(sorted.length - 1) >> 1] : null;
  }

  /** Be done, and say nothing of it. */
  abandon() {
    this.ondone = () => {};
    this.close();
  }

  close() {
    if (this.done) return;
    this.done = true;
    const socket = this.#socket;
    socket.onopen = socket.onmessage = socket.onerror = socket.onclose = null;
    socket.close();
    this.ondone();
  }

  #ping() {
    this.#at = performance.now();
    this.#socket.send(JSON.stringify({ topic: "ping", id: this.#id }));
  }

  /** Of the ping that is on its way. */
  get #id() {
    return this.#taken.length + 1;
  }

  #isPong(data) {
    try {
      const { topic, id } = JSON.parse(data);
      return topic === "pong" && id === this.#id;
    } catch {
      return false;
    }
  }
}

/**
 * Measure the round trips to nodes, in ms, all at once, in the order of the URLs.
 * @param {string[]} urls
 * @returns {{soon: Promise<(number | null)[]>, all: Promise<(number | null)[]>}} `soon` is enough to choose by; in `all`,
 *   null stands for one that does not answer
 */
export function measure(urls) {
  const began = performance.now();
  let probes = [];
  let settling = 0;
  let deadline = 0;
  let settle = () => {};
  const figures = () => probes.map(({ rtt }) => rtt);
  const soon = new Promise((resolve) => {
    settle = () => resolve(figures());
  });
  const all = new Promise((resolve) => {
    const finish = () => {
      clearTimeout(deadline);
      clearTimeout(settling);
      for (const probe of probes) probe.abandon();
      settle();
      resolve(figures());
    };
    const look = () => {
      if (probes.every(({ done }) => done)) return finish();
      const isFirst = !settling && probes.some(({ isComplete }) => isComplete);
      if (isFirst) settling = setTimeout(settle, performance.now() - began + SETTLE);
      return undefined;
    };
    deadline = setTimeout(finish, PROBE_DEADLINE);
    probes = urls.map((url) => new Probe(url, look));
    look();
  });
  return { soon, all };
}

/** The round trip to one node, in ms, or null. @param {string} url @returns {Promise<number | null>} */
export const probe = async (url) => (await measure([url]).all)[0];

/** Finds the nodes for a room. Made for one Room, or for one question. */
export class Prober {
  /** What was measured, by URL. @type {Map<string, {node: string, rtt: number | null, at: number}>} */
  #figures;
  #connection = globalThis.navigator?.connection ?? null;
  #network = networkOf(this.#connection);
  #changed = () => {};
  /** Ends when the nodes of the last search are all measured, or known not to answer. @type {Promise<void>} */
  complete = Promise.resolve();
  #pending = 0;

  constructor() {
    this.#figures = recalled(this.#network);
  }

  /** What holds of what was measured, in ms by the name of the node. */
  get rtts() {
    const known = [...this.#figures.values()].filter((figure) => figure.rtt !== null && holds(figure));
    return new Map(known.map(({ node, rtt }) => [node, rtt]));
  }

  /**
   * The nodes that take us, best first; those that did not answer last. What is measured later is put into its place.
   * @param {string} base Whom to ask. @param {string} room
   * @returns {Promise<Candidate[]>}
   * @throws {StarlingError} of asking
   */
  async find(base, room) {
    let told = this.rtts;
    let nodes = await askForNodes(base, room, told);
    const unknown = nodes.slice(0, PROBED_NODES).filter(({ url }) => !holds(this.#figures.get(url)));
    if (!unknown.length) return this.#rank(nodes, told);
    const figures = this.#figures;
    const { soon, all } = measure(unknown.map(({ url }) => url));
    const rtts = await soon;
    // Another network meanwhile: what was measured then is of neither.
    const isCurrent = () => figures === this.#figures;
    if (isCurrent()) this.#learn(unknown, rtts, (rtt) => rtt !== null);
    const isNews = rtts.some((rtt) => rtt !== null) && weighs(nodes);
    if (isNews) {
      const known = this.rtts;
      const again = await askForNodes(base, room, known).catch(() => null);
      if (again) [nodes, told] = [again, known];
    }
    const found = this.#rank(nodes, told);
    this.complete = all.then((late) => {
      if (!isCurrent()) return;
      this.#learn(unknown, late, (_, place) => rtts[place] === null);
      found.splice(0, found.length, ...this.#rank(nodes, told));
    });
    return found;
  }

  /** It did not let us in: measure it again before it is believed to be near. @param {string} url */
  doubt(url) {
    if (this.#figures.delete(url)) this.#keep();
  }

  /** Forget what was measured whenever the network changes, and say so. @param {() => void} changed */
  watch(changed) {
    this.#changed = changed;
    globalThis.addEventListener?.("online", this);
    this.#connection?.addEventListener?.("change", this);
  }

  close() {
    clearTimeout(this.#pending);
    globalThis.removeEventListener?.("online", this);
    this.#connection?.removeEventListener?.("change", this);
  }

  handleEvent({ type }) {
    const network = networkOf(this.#connection);
    // Browsers say "change" of every new estimate of the bandwidth, too.
    if (type !== "online" && network === this.#network) return;
    this.#network = network;
    this.#figures = new Map();
    this.#keep();
    clearTimeout(this.#pending);
    this.#pending = setTimeout(() => this.#changed(), CHANGE_PAUSE);
  }

  /** @param {any[]} nodes As a node ordered them. @param {Map<string, number>} told What it knew of our figures. */
  #rank(nodes, told) {
    const seen = nodes.map((node) => ({ ...node, measured: this.#measured(node), isSilent: this.#isSilent(node) }));
    return ordered(seen, weighs(nodes) && told);
  }

  /** @param {(rtt: number | null, place: number) => boolean} isNew Which of them are to be learnt. */
  #learn(nodes, rtts, isNew) {
    nodes.forEach(({ node, url }, place) => {
      if (!isNew(rtts[place], place)) return;
      this.#figures.delete(url);
      this.#figures.set(url, { node, rtt: rtts[place], at: Date.now() });
    });
    while (this.#figures.size > MAX_FIGURES) this.#figures.delete(this.#figures.keys().next().value);
    this.#keep();
  }

  #measured({ url }) {
    const figure = this.#figures.get(url);
    return holds(figure) ? figure.rtt : null;
  }

  #isSilent({ url }) {
    const figure = this.#figures.get(url);
    return holds(figure) && figure.rtt === null;
  }

  #keep() {
    try {
      sessionStorage.setItem(STORED, JSON.stringify({ network: this.#network, figures: [...this.#figures] }));
    } catch {
      // No storage allowed, or it is full: they hold as long as the page.
    }
  }
}

/**
 * Ask a node for candidates and measure the first few, all at once; the best comes first.
 * @param {string} base @param {string} room
 * @returns {Promise<Candidate[]>}
 */
export const findNodes = (base, room) => new Prober().find(base, room);

/** Whether that node weighed what we measured: older ones do not say where a round trip comes from. */
const weighs = (nodes) => nodes.some((node) => "rtt_source" in node);

const holds = (figure) => {
  const age = figure ? Date.now() - figure.at : -1;
  return age >= 0 && age < (figure.rtt === null ? SILENCE_TTL : FIGURE_TTL);
};

/** All that a page may know of its network; some browsers say nothing. */
const networkOf = (connection) => connection?.type ?? connection?.effectiveType ?? "";

/** @param {any[]} nodes @param {Map<string, number> | false} weighed The figures that went into the order, if any did. */
function ordered(nodes, weighed) {
  const reached = nodes.filter(({ measured }) => measured !== null);
  const rest = nodes.filter(({ measured }) => measured === null);
  const others = [...rest.filter(({ isSilent }) => !isSilent), ...rest.filter(({ isSilent }) => isSilent)];
  const best = Math.min(...reached.map(({ measured }) => measured));
  // The node's order knows load and where the room lives: it decides among those that are about as near as the nearest.
  const isNear = ({ node, measured }) => (weighed && weighed.size ? weighed.has(node) : measured <= best + RTT_TIE);
  const near = reached.filter(isNear);
  const far = reached.filter((node) => !near.includes(node)).sort((a, b) => a.measured - b.measured);
  return [...near, ...far, ...others].map(({ isSilent: _, ...node }) => node);
}

/** What another page of this tab measured, if it was on this network. */
function recalled(network) {
  try {
    const kept = JSON.parse(sessionStorage.getItem(STORED) ?? "null");
    if (kept?.network !== network || !Array.isArray(kept.figures)) return new Map();
    return new Map(kept.figures.filter(isFigure).slice(-MAX_FIGURES));
  } catch {
    return new Map(); // no storage allowed, or not ours
  }
}

function isFigure(entry) {
  const [url, figure] = Array.isArray(entry) ? entry : [];
  const isRtt = figure?.rtt === null || (Number.isFinite(figure?.rtt) && figure.rtt >= 0 && figure.rtt <= PROBE_DEADLINE);
  return typeof url === "string" && typeof figure?.node === "string" && Number.isFinite(figure.at) && isRtt;
}

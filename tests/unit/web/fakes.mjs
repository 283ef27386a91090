// A world of fakes for the SDK: nodes that grant what they are asked, sockets without a network, no real media.

import assert from "node:assert/strict";
import { beforeEach, mock } from "node:test";

export const storage = new Map();
globalThis.location = { origin: "http://a.test" };
globalThis.sessionStorage = {
  getItem: (key) => storage.get(key) ?? null,
  setItem: (key, value) => storage.set(key, value),
  removeItem: (key) => storage.delete(key),
};
globalThis.RTCRtpReceiver = { getCapabilities: () => ({ codecs: [{ mimeType: "video/H264" }, { mimeType: "video/VP8" }] }) };
Object.defineProperty(globalThis, "navigator", {
  value: { locks: { request: async (_name, _options, held) => held({}) } },
  configurable: true,
});

/**
 * `nodes`: round trips of the nodes, ms; null for one that cannot be reached. `answers`: what the node says to each topic,
 * a function of the request. `sockets` in the order of their opening, `asked` everything that was asked.
 */
export const world = { nodes: {}, answers: {}, sockets: [], asked: [] };

class FakeSocket {
  static OPEN = 1;
  readyState = 0;
  constructor(url) {
    this.node = new URL(url).hostname;
    world.sockets.push(this);
    queueMicrotask(() => {
      if (world.nodes[this.node] === null) return this.onclose?.({ code: 1006, reason: "" });
      this.readyState = 1;
      return this.onopen?.();
    });
  }
  send(text) {
    const message = JSON.parse(text);
    world.asked.push({ node: this.node, ...message });
    const reply = world.answers[message.topic]?.(message, this);
    if (reply) setTimeout(() => this.say({ id: message.id, ...reply }), message.topic === "ping" ? world.nodes[this.node] : 0);
  }
  say(message) {
    this.onmessage?.({ data: JSON.stringify(message) });
  }
  close() {
    this.readyState = 3;
  }
  drop(code, reason = "") {
    this.onclose?.({ code, reason });
  }
}
globalThis.WebSocket = FakeSocket;

export class FakePeer {
  static all = [];
  transceivers = [];
  constructor() {
    FakePeer.all.push(this);
  }
  addTransceiver(track, { direction }) {
    const transceiver = { mid: null, direction, currentDirection: null, sender: { track, async replaceTrack(other) { this.track = other; } }, receiver: { track: {} }, setCodecPreferences(codecs) { this.codecs = codecs; }, stop() { this.direction = "stopped"; } };
    this.transceivers.push(transceiver);
    return transceiver;
  }
  getTransceivers() {
    return this.transceivers;
  }
  async setLocalDescription() {
    if (this.transceivers.length && this.transceivers.every(({ direction }) => direction === "stopped")) {
      throw new Error("max-bundle configured but session description has no BUNDLE group");
    }
    this.transceivers.forEach((transceiver, index) => (transceiver.mid ??= String(index)));
    this.localDescription = { sdp: "local" };
    setTimeout(() => this.onicecandidate?.({ candidate: { candidate: "late" } }));
    this.onicecandidate?.({ candidate: { candidate: "early" } });
  }
  async setRemoteDescription({ type }) {
    if (type === "answer") this.transceivers.forEach((one) => (one.currentDirection = one.direction));
    if (type === "offer") this.transceivers = [{ mid: "0", receiver: { track: { kind: "video" } } }];
  }
  close() {
    this.closed = true;
  }
}
globalThis.RTCPeerConnection = FakePeer;

export const { Room, findNodes } = await import("../../../web/sdk/starling.js");

export const grace = (tracks = []) => ({ participant: "pa_grace", user: "us_2", name: "Grace", node: "b", region: "b", tracks });
export const camera = { track: "tr_grace", kind: "video", source: "camera", muted: false };
export const settled = () => new Promise((resolve) => setTimeout(resolve, 20));

export async function until(condition) {
  for (let tries = 0; tries < 300; tries += 1) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.fail(`never: ${condition}`);
}

beforeEach(() => {
  storage.clear();
  world.nodes = { "a.test": 1, "b.test": 1 };
  world.sockets = [];
  world.asked = [];
  FakePeer.all = [];
  let sessions = 0;
  globalThis.fetch = async (url) => {
    const { pathname } = new URL(url);
    const list = Object.keys(world.nodes).map((host) => ({ node: host[0], url: `http://${host}`, region: host[0], why: [] }));
    const body = pathname === "/v1/nodes" ? { nodes: list } : { token: `token-${(sessions += 1)}` };
    return { ok: true, json: async () => body };
  };
  mock.method(Math, "random", () => 0.01);
  world.answers = {
    ping: () => ({ topic: "pong" }),
    hello: (_, socket) => ({ topic: "welcome", node: socket.node[0], region: socket.node[0], token: "fresh" }),
    join: () => ({ topic: "joined", participant: "pa_me", participants: [grace([camera])], degraded: false, epoch: 1 }),
    publish: ({ tracks }) => ({ topic: "published", sdp: "answer", tracks: Object.fromEntries(tracks.map(({ mid }) => [mid, `tr_${mid}`])) }),
    answer: () => ({ topic: "ok" }),
    mute: () => ({ topic: "ok" }),
    leave: () => ({ topic: "ok" }),
  };
});

export const of = (topic) => world.asked.filter((message) => message.topic === topic);

export async function joined(options = {}) {
  const room = new Room({ room: "lobby", name: "Ada", ...options });
  room.seen = [];
  for (const name of ["participantjoined", "participantchanged", "participantleft", "trackadded", "trackremoved", "reconnecting", "resumed", "replaced", "closed"]) {
    room.addEventListener(name, ({ detail }) => room.seen.push([name, detail]));
  }
  await room.join();
  room.socket = world.sockets.at(-1);
  return room;
}
export const names = (room) => room.seen.map(([name]) => name);

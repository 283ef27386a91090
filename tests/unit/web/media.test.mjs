// The parts of the SDK that stand on their own: data channels, preferences, publications, transforms.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { afterEach, beforeEach, mock, test } from "node:test";

const observers = [];
class FakeObserver {
  elements = new Set();
  constructor(tell) {
    this.tell = tell;
    observers.push(this);
  }
  observe(element) {
    this.elements.add(element);
  }
  unobserve(element) {
    this.elements.delete(element);
  }
  disconnect() {
    this.elements.clear();
  }
}
globalThis.ResizeObserver = class extends FakeObserver {};
globalThis.IntersectionObserver = class extends FakeObserver {};
globalThis.document = Object.assign(new EventTarget(), { visibilityState: "visible" });
globalThis.devicePixelRatio = 2;
globalThis.RTCRtpReceiver = { getCapabilities: () => ({ codecs: [{ mimeType: "video/AV1" }, { mimeType: "video/VP8" }] }) };

const { DataSender, MAX_MESSAGE_BYTES, readMessage } = await import("../../../web/sdk/data.js");
const { People } = await import("../../../web/sdk/people.js");
const { Preferences } = await import("../../../web/sdk/preferences.js");
const { Publication } = await import("../../../web/sdk/publication.js");
const { applyTransform, configurationFor } = await import("../../../web/sdk/transform.js");

// --- preferences ---

const sized = (element, width, height) =>
  observers[0].tell([{ target: element, contentRect: { width, height } }]);
const seen = (element, isIntersecting) => observers[1].tell([{ target: element, isIntersecting }]);

beforeEach(() => {
  observers.length = 0;
  document.visibilityState = "visible";
  mock.timers.enable({ apis: ["setTimeout"] });
});
afterEach(() => mock.timers.reset());

function told() {
  const said = [];
  const preferences = new Preferences(async (tracks) => void said.push(tracks));
  return { said, preferences };
}

test("what is shown is wanted as large as it is shown, in device pixels, after the layout came to rest", () => {
  const { said, preferences } = told();
  const tile = {};
  preferences.show("tr_1", tile);
  sized(tile, 100, 50);
  sized(tile, 159, 89);
  mock.timers.tick(249);
  assert.deepEqual(said, []);
  mock.timers.tick(1);
  assert.deepEqual(said, [[{ track: "tr_1", width: 320, height: 192, priority: 128, paused: false }]]);
});

test("the same said again is not said", () => {
  const { said, preferences } = told();
  const tile = {};
  preferences.show("tr_1", tile);
  sized(tile, 100, 50);
  mock.timers.tick(250);
  sized(tile, 99, 49);
  mock.timers.tick(250);
  assert.equal(said.length, 1);
  preferences.restate();
  mock.timers.tick(250);
  assert.equal(said.length, 2);
});

test("what is out of sight is paused, and all of it when the page is", () => {
  const { said, preferences } = told();
  const tile = {};
  preferences.show("tr_1", tile);
  sized(tile, 100, 50);
  seen(tile, false);
  mock.timers.tick(250);
  assert.equal(said.at(-1)[0].paused, true);
  seen(tile, true);
  mock.timers.tick(250);
  assert.equal(said.at(-1)[0].paused, false);
  document.visibilityState = "hidden";
  document.dispatchEvent(new Event("visibilitychange"));
  mock.timers.tick(250);
  assert.equal(said.at(-1)[0].paused, true);
});

test("a track that is shown twice is wanted for the larger place", () => {
  const { preferences } = told();
  const [small, large] = [{}, {}];
  preferences.show("tr_1", small);
  preferences.show("tr_1", large, 200);
  sized(small, 80, 40);
  sized(large, 400, 200);
  assert.deepEqual(preferences.tracks, [{ track: "tr_1", width: 800, height: 400, priority: 200, paused: false }]);
  seen(large, false);
  assert.equal(preferences.tracks[0].width, 160);
});

test("an element that shows another track keeps its place", () => {
  const { preferences } = told();
  const tile = {};
  preferences.show("tr_1", tile);
  sized(tile, 80, 40);
  seen(tile, false);
  preferences.show("tr_2", tile);
  assert.deepEqual(preferences.tracks, [{ track: "tr_2", width: 160, height: 80, priority: 128, paused: true }]);
});

test("a choice by hand wins until it is lifted; a track that is over is forgotten", () => {
  const { preferences } = told();
  const tile = {};
  preferences.show("tr_1", tile);
  preferences.choose("tr_1", { paused: true });
  assert.equal(preferences.tracks[0].paused, true);
  preferences.choose("tr_1", null);
  assert.equal(preferences.tracks[0].paused, false);
  preferences.forget("tr_1");
  assert.deepEqual(preferences.tracks, []);
  assert.equal(observers[0].elements.size, 0);
});

test("whatever a page wishes for, a node is told only what it takes", () => {
  const { preferences } = told();
  const wall = {};
  preferences.show("tr_wall", wall, 999);
  sized(wall, 20_000, 30);
  preferences.choose("tr_odd", { width: 99.5, height: NaN, priority: -1, paused: undefined });
  assert.deepEqual(preferences.tracks, [
    { track: "tr_wall", width: 16_384, height: 64, priority: 255, paused: false },
    { track: "tr_odd", width: 100, height: 0, priority: 0, paused: false },
  ]);
  for (let number = 0; number < 600; number += 1) preferences.choose(`tr_${number}`, { paused: true });
  assert.equal(preferences.tracks.length, 500);
});

test("what could not be said is said with the next change", async () => {
  let fails = true;
  const said = [];
  const preferences = new Preferences(async (tracks) => {
    if (fails) throw new Error("away");
    said.push(tracks);
  });
  preferences.choose("tr_1", { paused: true });
  mock.timers.tick(250);
  await Promise.resolve();
  await Promise.resolve();
  fails = false;
  preferences.choose("tr_1", { paused: true });
  mock.timers.tick(250);
  assert.equal(said.length, 1);
});

// --- data channels ---

function fakeChannel() {
  return { sent: [], readyState: "open", bufferedAmount: 0, send(bytes) { this.sent.push(bytes); }, close() { this.readyState = "closed"; } };
}
function opened(reliable) {
  const channel = fakeChannel();
  const sender = new DataSender("cursor", reliable);
  let how = null;
  sender.openOn({ createDataChannel: (_label, given) => ((how = given), channel) });
  return { channel, sender, how };
}

test("unreliable means late is worse than lost", () => {
  assert.deepEqual(opened(false).how, { ordered: false, maxRetransmits: 0 });
  assert.deepEqual(opened(true).how, { ordered: true });
});

test("text and bytes are sent as bytes; what is too long or cannot go now is refused by name", () => {
  const { channel, sender } = opened(true);
  sender.send("é");
  sender.send(new Uint16Array([1, 2]).subarray(1));
  assert.deepEqual(channel.sent.map((bytes) => [...bytes]), [[0xc3, 0xa9], [2, 0]]);
  assert.throws(() => sender.send(new Uint8Array(MAX_MESSAGE_BYTES + 1)), { code: "data_too_large" });
  channel.bufferedAmount = 2 << 20;
  assert.throws(() => sender.send("x"), { code: "data_congested" });
  channel.readyState = "closing";
  assert.throws(() => sender.send("x"), { code: "data_closed" });
});

test("the largest message is as large as the engine takes", async () => {
  const source = await readFile(new URL("../../../sfu/engine/src/engine/data/mod.rs", import.meta.url), "utf8");
  const [, kib] = source.match(/MAX_PAYLOAD_BYTES: usize = (\d+) \* 1024;/);
  assert.equal(MAX_MESSAGE_BYTES, kib * 1024);
  const { channel, sender } = opened(true);
  assert.equal(sender.send("x".repeat(MAX_MESSAGE_BYTES)), true);
  assert.equal(channel.sent[0].length, MAX_MESSAGE_BYTES);
  assert.throws(() => sender.send("é".repeat(MAX_MESSAGE_BYTES / 2 + 1)), { code: "data_too_large" });
});

test("what is neither text nor bytes is refused, not sent as nothing", () => {
  const { channel, sender } = opened(true);
  for (const odd of [7, { x: 1 }, null, undefined]) assert.throws(() => sender.send(odd), { code: "data_invalid" });
  assert.deepEqual(channel.sent, []);
});

test("who waits for a channel is told when it opens, or at once that it never will", async () => {
  const sender = new DataSender("cursor", true);
  const channels = [];
  const pc = { createDataChannel: () => (channels.push({ ...fakeChannel(), readyState: "connecting" }), channels.at(-1)) };
  sender.openOn(pc);
  sender.openOn(pc);
  let isOpen = false;
  const first = sender.opened().then(() => (isOpen = true));
  channels[0].onopen();
  await Promise.resolve();
  await Promise.resolve();
  assert.equal(isOpen, false);
  channels[1].readyState = "open";
  channels[1].onopen();
  await first;
  channels[1].readyState = "connecting";
  const second = sender.opened();
  sender.close();
  await assert.rejects(second, { code: "data_closed" });
});

test("an unreliable message that would wait is dropped, and that is said", () => {
  const { channel, sender } = opened(false);
  channel.bufferedAmount = 2 << 20;
  assert.equal(sender.send("x"), false);
  assert.deepEqual(channel.sent, []);
});

test("a message says who sent it; what no node sends is passed over", () => {
  const bytes = (...values) => new Uint8Array(values).buffer;
  const message = readMessage("cursor", bytes(2, 0x70, 0x61, 0x68, 0x69));
  assert.deepEqual([message.sender, message.text, [...message.payload]], ["pa", "hi", [0x68, 0x69]]);
  assert.equal(readMessage("cursor", bytes(2, 0x70, 0x61)).payload.length, 0);
  for (const bad of [bytes(), bytes(0, 1), bytes(9, 1, 2), "text"]) assert.equal(readMessage("cursor", bad), null);
});

test("a label has a length", () => {
  for (const label of ["", "x".repeat(65)]) assert.throws(() => new DataSender(label, true), { code: "data_label_invalid" });
});

// --- people ---

test("a refused track is looked at until it comes, and never after the end", async () => {
  let looks = 0;
  const people = new People(() => {});
  const track = { track: "tr_1", kind: "video", source: "camera", muted: false };
  people.welcome({ participant: "pa_1", name: "Grace", node: "a", region: "a", tracks: [track] });
  people.arrived("tr_1", { track: {}, getStats: async () => ((looks += 1), new Map()) });
  people.refuse({ participant: "pa_1", track: "tr_1", codec: "av1", accepted: ["vp8"], message: "No." });
  const second = async () => {
    mock.timers.tick(1_000);
    for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
  };
  await second();
  await second();
  assert.equal(looks, 2);
  people.close();
  await second();
  await second();
  await second();
  assert.ok(looks <= 3, `${looks} looks`);
});

// --- publications ---

function published(options = {}) {
  const sender = {
    changes: [],
    getParameters: () => ({ encodings: [{ rid: "q" }, { rid: "h" }, { rid: "f" }] }),
    async setParameters({ encodings }) { this.changes.push(encodings.map(({ active }) => active)); },
  };
  const publication = new Publication({ kind: "video", enabled: true }, "camera", false, options);
  const transceiver = { sender, setCodecPreferences(codecs) { this.codecs = codecs.map(({ mimeType }) => mimeType); } };
  publication.send({ addTransceiver: (_media, init) => Object.assign(transceiver, { init }) });
  return { publication, sender, transceiver };
}

test("a publication stops what the node says nobody watches, one change after the other", async () => {
  const { publication, sender } = published();
  publication.obey({ encodings: { q: true, h: true, f: false }, spatial: null });
  await publication.obey({ encodings: { q: false, h: false, f: false }, spatial: null });
  assert.deepEqual(sender.changes.at(-1), [false, false, false]);
});

test("codecs are restricted while somebody needs it, unless that leaves none", () => {
  const { publication, transceiver } = published({ codec: "av1" });
  assert.deepEqual(transceiver.codecs, ["video/AV1", "video/VP8"]);
  assert.equal(publication.restrict(["VP8"]), true);
  assert.deepEqual(transceiver.codecs, ["video/VP8"]);
  assert.equal(publication.restrict(["h264"]), false);
  assert.deepEqual(transceiver.codecs, ["video/VP8"]);
  publication.restrict([]);
  assert.deepEqual(transceiver.codecs, ["video/AV1", "video/VP8"]);
});

// --- transforms ---

test("a transform uses what the browser has, and never silently nothing", () => {
  assert.deepEqual(configurationFor(null), {});
  assert.throws(() => configurationFor({ sender: () => {} }), { code: "transform_unsupported" });
  globalThis.RTCRtpScriptTransform = class {
    constructor(worker, options) {
      Object.assign(this, { worker, options });
    }
  };
  const worker = { postMessage() {} };
  assert.deepEqual(configurationFor({ sender: worker }), {});
  const end = {};
  applyTransform({ sender: worker }, "sender", end, "video");
  assert.deepEqual(end.transform.options, { side: "sender", kind: "video" });
  globalThis.RTCRtpSender = class {
    createEncodedStreams() {}
  };
  assert.deepEqual(configurationFor({ sender: () => {} }), { encodedInsertableStreams: true });
});

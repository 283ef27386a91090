// Which device a page is: a reload keeps it, a copy of the tab becomes another. Pages are modules loaded anew over one
// browser of fakes, whose locks and channels they share.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

/** Who holds each lock, and who waits for it, first come first served. */
let locks;
let channels;
let reloads;

class FakeChannel {
  constructor() {
    channels.add(this);
  }
  postMessage(data) {
    for (const other of channels) if (other !== this) setTimeout(() => channels.has(other) && other.onmessage?.({ data }), 1);
  }
  close() {
    channels.delete(this);
  }
}

async function request(name, { signal }, hold) {
  while (locks.get(name)) {
    const gone = new Promise((_, reject) => signal?.addEventListener("abort", () => reject(new Error("aborted")), { once: true }));
    await Promise.race([locks.get(name), gone]);
  }
  const held = Promise.resolve(hold({ name }));
  locks.set(name, held);
  await held;
  locks.delete(name);
}

let pages = 0;
/** One page: its own storage unless given a tab's, its own events, its own modules. */
async function open(storage = new Map()) {
  const listeners = {};
  globalThis.addEventListener = (name, act) => (listeners[name] = act);
  globalThis.sessionStorage = storageOf(storage);
  const { Device } = await import(`../../../web/sdk/device.js?page=${(pages += 1)}`);
  const device = await Device.mine();
  return { device, storage, fire: (name, detail = {}) => listeners[name](detail) };
}

const storageOf = (storage) => ({
  getItem: (key) => storage.get(key) ?? null,
  setItem: (key, value) => storage.set(key, value),
  removeItem: (key) => storage.delete(key),
});

beforeEach(() => {
  locks = new Map();
  channels = new Set();
  reloads = false;
  globalThis.BroadcastChannel = FakeChannel;
  globalThis.performance.getEntriesByType = () => [{ type: reloads ? "reload" : "navigate" }];
  Object.defineProperty(globalThis, "navigator", { value: { locks: { request } }, configurable: true });
});

const withoutLocks = () => Object.defineProperty(globalThis, "navigator", { value: {}, configurable: true });

test("a reload keeps id and counter, as the old page lets go", async () => {
  const before = await open();
  assert.deepEqual([before.device.raise(), before.device.raise()], [1, 2]);
  before.fire("pagehide");
  const after = await open(before.storage);
  assert.equal(after.device.id, before.device.id);
  assert.equal(after.device.raise(), 3);
  assert.ok(after.device.sure);
});

test("a reload waits for the lock of an old page that is slow to go and says nothing", async () => {
  const before = await open();
  before.device.raise();
  channels.clear();
  setTimeout(() => before.fire("pagehide"), 600);
  const after = await open(before.storage);
  assert.equal(after.device.id, before.device.id);
});

test("a reload whose old page still answered keeps the device once that page goes", async () => {
  const before = await open();
  before.device.raise();
  reloads = true;
  setTimeout(() => before.fire("pagehide"), 400);
  assert.equal((await open(before.storage)).device.id, before.device.id);
});

test("a copy of a tab is another device, counts from one, and drops the token that it inherited", async () => {
  const first = await open();
  first.device.raise();
  first.device.keepToken("Ada", "a token");
  const started = performance.now();
  const copy = await open(new Map(first.storage));
  assert.ok(performance.now() - started < 1_000, "a copy is told at once");
  assert.notEqual(copy.device.id, first.device.id);
  assert.equal(copy.device.raise(), 1);
  assert.equal(copy.device.token("Ada"), null);
  assert.equal(first.device.sure && copy.device.sure, true);
});

test("a page that was put aside and shown again is the same device, beyond what came between", async () => {
  const aside = await open();
  aside.device.raise();
  aside.fire("pagehide");
  const between = await open(aside.storage);
  assert.equal(between.device.raise(), 2);
  between.fire("pagehide");
  aside.fire("pageshow", { persisted: true });
  await aside.device.settled();
  globalThis.sessionStorage = storageOf(aside.storage);
  assert.equal(aside.device.id, between.device.id);
  assert.equal(aside.device.raise(), 3);
});

test("a page that was put aside and finds its id taken becomes another device", async () => {
  const aside = await open();
  const { id } = aside.device;
  aside.fire("pagehide");
  const copy = await open(new Map(aside.storage));
  assert.equal(copy.device.id, id);
  aside.fire("pageshow", { persisted: true });
  await aside.device.settled();
  assert.notEqual(aside.device.id, id);
});

test("id and counter are stored together or not at all", async () => {
  for (const half of ['{"id": "de_0123456789"}', '{"attempt": 7}', "7", "garbage", '{"id": "de_0123456789", "attempt": 1e99}']) {
    const { device } = await open(new Map([["starling.device", half]]));
    assert.notEqual(device.id, "de_0123456789");
    assert.equal(device.raise(), 1);
  }
});

test("without locks the other pages are asked, and nothing is sure", async () => {
  withoutLocks();
  const first = await open();
  first.device.raise();
  const copy = await open(new Map(first.storage));
  assert.notEqual(copy.device.id, first.device.id);
  first.fire("pagehide");
  const after = await open(first.storage);
  assert.equal(after.device.id, first.device.id);
  assert.equal(after.device.sure, false);
});

test("without locks two copies that ask at the same time do not both keep the id", async () => {
  withoutLocks();
  const known = JSON.stringify({ id: "de_0123456789", attempt: 4 });
  const opened = [open(new Map([["starling.device", known]])), open(new Map([["starling.device", known]]))];
  const ids = (await Promise.all(opened)).map(({ device }) => device.id);
  assert.equal(ids.filter((id) => id === "de_0123456789").length, 1);
});

test("only a page that is sure of its device outbids an attempt that the node knows", async () => {
  const { Door } = await import("../../../web/sdk/door.js");
  const door = new Door({ room: "lobby", name: "Ada", base: "http://a.test", node: null, userToken: null });
  const asked = [];
  const signal = {
    async request(topic, { attempt }) {
      asked.push(attempt);
      if (attempt <= 40) throw Object.assign(new Error("Older."), { code: "attempt_stale", highestAttempt: 40 });
      return { topic: "joined" };
    },
  };
  door.device = (await open()).device;
  await door.sit(signal);
  assert.deepEqual(asked, [1, 41]);
  withoutLocks();
  const { id } = (door.device = (await open()).device);
  await assert.rejects(door.sit(signal), { code: "device_renewed" });
  assert.deepEqual(asked, [1, 41, 1]);
  assert.notEqual(door.device.id, id);
});

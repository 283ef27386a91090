// Which node a page takes: measured, remembered, measured again on another network.

import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { joined, names, of, Room, settled, storage, until, world } from "./fakes.mjs";
import { findNodes, measure, Prober } from "../../../web/sdk/prober.js";

const HERE = "http://a.test";
const places = (nodes) => nodes.map(({ node }) => node);
const openedTo = (host) => world.sockets.filter(({ node }) => node === host).length;

/** Every request by HTTP that was made: its URL and its body. */
let requests = [];
/** What a node says otherwise than the fakes, by path: a function of the URL. */
let says = {};
const page = new EventTarget();
const network = Object.assign(new EventTarget(), { type: "wifi" });

beforeEach(() => {
  mock.restoreAll();
  mock.method(Math, "random", () => 0.01);
  requests = [];
  says = {};
  network.type = "wifi";
  navigator.connection = network;
  globalThis.addEventListener = (name, listener) => page.addEventListener(name, listener);
  globalThis.removeEventListener = (name, listener) => page.removeEventListener(name, listener);
  const usual = globalThis.fetch;
  globalThis.fetch = async (url, options) => {
    const asked = new URL(url);
    requests.push({ url: asked, body: options.body });
    return says[asked.pathname]?.(asked, options) ?? usual(url, options);
  };
});

const answer = (body, more = {}) => ({ ok: true, json: async () => body, ...more });

test("the middle of the pings counts, and a probe never says who we are", async () => {
  const delays = [40, 1, 40, 1, 1];
  world.answers.ping = (_, socket) => {
    world.nodes[socket.node] = delays.shift();
    return { topic: "pong" };
  };
  const [rtt] = await measure([HERE]).all;
  assert.ok(rtt < 20, `${rtt} ms`);
  assert.deepEqual([...new Set(world.asked.map(({ topic }) => topic))], ["ping"]);
  assert.equal(world.sockets[0].readyState, 3);
});

test("only the pong that was asked for counts", async () => {
  const others = { "error.test": { topic: "error", code: "x" }, "late.test": { topic: "pong", id: 0 }, "nobody.test": { topic: "hello" }, "null.test": null };
  world.nodes = { ...Object.fromEntries(Object.keys(others).map((host) => [host, 1])), "a.test": 1 };
  world.answers.ping = ({ id }, socket) => {
    if (socket.node === "a.test") return { topic: id === 4 ? "error" : "pong" };
    if (socket.node === "null.test") setTimeout(() => socket.onmessage({ data: "null" }), 1);
    return others[socket.node];
  };
  const figures = await measure(Object.keys(world.nodes).map((host) => `http://${host}`)).all;
  assert.deepEqual(figures.map((rtt) => rtt !== null), [false, false, false, false, true], "what came before counts");
  assert.deepEqual(world.sockets.map(({ readyState }) => readyState), [3, 3, 3, 3, 3]);
});

test("nodes that are silent, dead or no address come last and delay nobody", async () => {
  world.nodes = { "mute.test": 1, "dead.test": null, "a.test": 5 };
  world.answers.ping = (_, socket) => (socket.node === "mute.test" ? null : { topic: "pong" });
  const began = performance.now();
  const found = await findNodes(HERE, "lobby");
  assert.ok(performance.now() - began < 700, `${performance.now() - began} ms`);
  assert.deepEqual(found.map(({ url, measured }) => [url, measured !== null]), [[HERE, true], ["http://mute.test", false], ["http://dead.test", false]]);
  assert.deepEqual([await measure([]).soon, await measure(["nonsense"]).all], [[], [null]]);
});

test("a far node is measured to the end while the room begins, and then takes its place", async () => {
  world.nodes = { "far.test": 200, "mute.test": 1, "a.test": 1 };
  world.answers.ping = (_, socket) => (socket.node === "mute.test" ? null : { topic: "pong" });
  const prober = new Prober();
  const found = await prober.find(HERE, "lobby");
  assert.deepEqual(found.map(({ url, measured }) => [url, measured !== null]), [[HERE, true], ["http://far.test", false], ["http://mute.test", false]]);
  await until(() => found[1].measured >= 199);
  assert.deepEqual(found.map(({ url, measured }) => [url, measured !== null]), [[HERE, true], ["http://far.test", true], ["http://mute.test", false]]);
  await prober.find(HERE, "lobby");
  assert.equal(openedTo("far.test"), 1);
});

test("what was measured holds over a reload, and not for ever", async () => {
  world.nodes = { "a.test": 30, "b.test": 1 };
  assert.deepEqual(places(await findNodes(HERE, "lobby")), ["b", "a"]);
  const again = await findNodes(HERE, "lobby");
  assert.deepEqual(places(again), ["b", "a"]);
  assert.ok(again[0].measured < again[1].measured);
  assert.equal(world.sockets.length, 2);
  assert.match(requests.at(-1).url.search, /rtt=b%3A[\d.]+/);
  mock.method(Date, "now", () => new Date().getTime() + 601_000);
  await findNodes(HERE, "lobby");
  assert.equal(world.sockets.length, 4);
});

test("a node that did not answer is asked again soon, and one that failed us at once", async () => {
  world.nodes = { "a.test": 1, "b.test": null };
  const prober = new Prober();
  await prober.find(HERE, "lobby");
  await prober.find(HERE, "lobby");
  assert.equal(openedTo("b.test"), 1);
  prober.doubt(HERE);
  mock.method(Date, "now", () => new Date().getTime() + 31_000);
  await prober.find(HERE, "lobby");
  assert.deepEqual([openedTo("a.test"), openedTo("b.test")], [2, 2]);
});

test("what the storage says is believed only as far as it makes sense", async () => {
  const at = Date.now();
  const odd = [null, ["http://a.test"], ["http://a.test", { node: "a", rtt: "1", at }], ["http://a.test", { node: "a", rtt: -1, at }], [7, { node: "a", rtt: 1, at }]];
  for (const kept of ["{", "7", JSON.stringify({ network: "wifi", figures: {} }), JSON.stringify({ network: "wifi", figures: odd })]) {
    storage.set("starling.nodes", kept);
    assert.equal(new Prober().rtts.size, 0, kept);
  }
  storage.set("starling.nodes", JSON.stringify({ network: "cellular", figures: [["http://a.test", { node: "a", rtt: 1, at }]] }));
  assert.equal(new Prober().rtts.size, 0);
});

test("a node that weighs what we measured decides, as it knows the ways between nodes", async () => {
  world.nodes = { "a.test": 1, "b.test": 30, "dead.test": null };
  says["/v1/nodes"] = ({ searchParams }) => {
    const named = ["dead", "a", "b"].map((node) => ({ node, url: `http://${node}.test`, region: "", why: [], rtt_source: null }));
    return answer({ nodes: searchParams.has("rtt") ? [named[0], named[2], named[1]] : named });
  };
  assert.deepEqual(places(await findNodes(HERE, "lobby")), ["b", "a", "dead"]);
  assert.deepEqual(requests.map(({ url }) => url.searchParams.getAll("rtt").map((text) => text.split(":")[0])), [[], ["a", "b"]]);
});

test("what a node could not weigh, as it was measured late, goes by how far it is", async () => {
  world.nodes = { "a.test": 1, "far.test": 600, "mid.test": 350 };
  says["/v1/nodes"] = () =>
    answer({ nodes: ["far", "mid", "a"].map((node) => ({ node, url: `http://${node}.test`, region: "", why: [], rtt_source: null })) });
  const found = await findNodes(HERE, "lobby");
  await until(() => found.every(({ measured }) => measured !== null));
  assert.deepEqual(places(found), ["a", "mid", "far"]);
});

test("another network is noticed once for many signs of it, and a new estimate is none", async () => {
  const prober = new Prober();
  let changes = 0;
  prober.watch(() => (changes += 1));
  await prober.find(HERE, "lobby");
  network.dispatchEvent(new Event("change"));
  assert.equal(prober.rtts.size, 2);
  network.type = "cellular";
  network.dispatchEvent(new Event("change"));
  page.dispatchEvent(new Event("online"));
  assert.equal(prober.rtts.size, 0);
  await until(() => changes === 1);
  prober.close();
  page.dispatchEvent(new Event("online"));
  await settled();
  assert.equal(changes, 1);
});

test("a room measures again on another network, and comes back at the node that is clearly nearer there", async () => {
  world.nodes = { "a.test": 1, "b.test": 60 };
  const room = await joined();
  assert.equal(room.home.node, "a");
  world.nodes = { "a.test": 60, "b.test": 1 };
  page.dispatchEvent(new Event("online"));
  await until(() => room.candidates[0].node === "b");
  assert.equal(room.state, "connected");
  room.socket.drop(1006);
  await until(() => room.state === "connected" && names(room).includes("resumed"));
  assert.equal(room.home.node, "b");
  await room.leave();
  const { length } = world.sockets;
  page.dispatchEvent(new Event("online"));
  await new Promise((resolve) => setTimeout(resolve, 400));
  assert.equal(world.sockets.length, length);
});

/** Nodes that understand these words, and send on whoever measures that another one is nearer than ours by 25 ms. */
function nodesOf(...features) {
  const { hello } = world.answers;
  world.answers.hello = (...args) => ({ ...hello(...args), features });
  world.answers.measured = ({ rtts_ms: { a, b } }, socket) => {
    if (a > b + 25) setTimeout(() => socket.say({ topic: "move", urls: ["http://b.test"], reason: "nearer", within_s: 30 }));
    return { topic: "ok" };
  };
}

test("on another network a room says what it measured, and goes to the nearer node before it leaves this one", async () => {
  nodesOf("measured", "move");
  world.nodes = { "a.test": 1, "b.test": 60 };
  const room = await joined();
  const before = room.socket;
  const moved = [];
  room.addEventListener("moved", ({ detail }) => moved.push([detail.reason, detail.home.node, before.readyState]));
  assert.deepEqual([room.home.node, of("measured").length], ["a", 0]);
  world.nodes = { "a.test": 60, "b.test": 1 };
  page.dispatchEvent(new Event("online"));
  await until(() => room.home.node === "b");
  assert.deepEqual(moved, [["nearer", "b", 1]]);
  const [{ node, rtts_ms: said }] = of("measured");
  assert.deepEqual([node, Object.keys(said).sort(), said.a > said.b + 25], ["a.test", ["a", "b"], true]);
  assert.deepEqual(names(room).filter((name) => /left|reconnecting|replaced|closed/.test(name)), []);
  await room.leave();
});

test("who insists, and whose node is of an older version, says nothing of what was measured", async () => {
  for (const [features, options] of [[["measured", "move"], { insist: true }], [["move"], {}]]) {
    nodesOf(...features);
    storage.clear(); // of what a search that ended late found
    world.nodes = { "a.test": 1, "b.test": 60 };
    const room = await joined(options);
    world.nodes = { "a.test": 60, "b.test": 1 };
    page.dispatchEvent(new Event("online"));
    if (!options.insist) await until(() => room.candidates[0].node === "b");
    await new Promise((resolve) => setTimeout(resolve, 400));
    assert.deepEqual([room.home.node, of("measured")], ["a", []]);
    await room.leave();
  }
});

test("noise moves nobody: the node we were at comes first unless another is clearly nearer", async () => {
  world.nodes = { "a.test": 1, "b.test": 30 };
  const room = await joined();
  world.nodes = { "a.test": 20, "b.test": 1 };
  page.dispatchEvent(new Event("online"));
  await until(() => room.candidates[0].node === "b");
  room.socket.drop(1006);
  await until(() => names(room).includes("resumed"));
  assert.equal(room.home.node, "a");
  await room.leave();
});

test("a node may send us on, with the user token; where nothing could be measured its word counts", async () => {
  world.answers.ping = () => null;
  const onward = answer({ token: "from-b" }, { redirected: true, url: "http://b.test/v1/sessions?stay=1" });
  says["/v1/sessions"] = () => onward;
  const room = await joined({ userToken: "head.body.signature" });
  assert.equal(room.home.node, "b");
  assert.equal(of("hello")[0].token, "from-b");
  const [{ url, body }] = requests.filter((one) => one.url.pathname === "/v1/sessions");
  assert.equal(JSON.parse(body).token, "head.body.signature");
  assert.deepEqual([url.searchParams.get("room"), url.search.includes("signature")], ["lobby", false]);
  await room.leave();
});

test("a node that sends us nowhere takes us itself", async () => {
  says["/v1/sessions"] = ({ searchParams }) => {
    if (searchParams.get("stay") !== "1") throw new TypeError("Failed to fetch");
  };
  const room = await joined();
  assert.deepEqual(requests.filter(({ url }) => url.pathname === "/v1/sessions").map(({ url }) => url.host), ["a.test", "a.test"]);
  await room.leave();
});

test("a refusal is not asked for twice", async () => {
  const refusal = { error: { code: "banned", message: "No." } };
  says["/v1/sessions"] = () => ({ ok: false, json: async () => refusal });
  await assert.rejects(joined(), { code: "banned" });
  assert.equal(requests.filter(({ url }) => url.pathname === "/v1/sessions").length, 1);
});

test("who insists stays where they ask, measures nothing and is not sent on", async () => {
  world.nodes = { "a.test": 60, "b.test": 1 };
  const room = await joined({ insist: true });
  assert.equal(room.home.node, "a");
  assert.deepEqual([world.sockets.length, requests.map(({ url }) => url.pathname + url.search)], [1, ["/v1/sessions?stay=1"]]);
  await room.leave();
  const other = await joined({ insist: true, node: "http://b.test" });
  assert.equal(other.home.node, "b");
  await other.leave();
  assert.throws(() => new Room({ room: "lobby", name: "Ada", insist: "yes" }), { code: "argument_invalid" });
});

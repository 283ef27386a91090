// Coming back: when and where the SDK connects again, what the page sees of it, and what it wrote meanwhile.

import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { grace, joined, names, of, settled, until, world } from "./fakes.mjs";
import { Awakening, inOrder, pauseBefore } from "../../../web/sdk/retry.js";

const place = (host) => ({ url: `http://${host}` });
const hosts = (places) => places.map(({ url }) => url.slice("http://".length));
const texts = () => of("chat").map(({ text }) => text);
const line = (id) => ({ message: id, participant: "pa_grace", name: "Grace", text: id, at_ms: 0 });

/** A room that also tells what is written. */
async function chatting(options = {}) {
  const acknowledged = [];
  world.answers.chat = ({ text }) => ({ topic: "chat_sent", message: `me_${text}`, at_ms: 0 });
  const room = await joined(options);
  room.addEventListener("chat", ({ detail }) => room.seen.push(["chat", detail.text]));
  const say = (text) => room.chat(text).then(() => acknowledged.push(text));
  return { room, say, acknowledged };
}

test("pauses are drawn evenly below a bound that doubles up to a limit", () => {
  const bounds = [0, 1, 2, 3, 4, 5, 6, 60].map((tries) => pauseBefore(tries, () => 1));
  assert.deepEqual(bounds, [300, 600, 1_200, 2_400, 4_800, 8_000, 8_000, 8_000]);
  assert.equal(pauseBefore(3, () => 0.25), 600);
  assert.equal(pauseBefore(3, () => 0.25, 5_000), 5_600, "what the node asked for comes first");
  assert.equal(pauseBefore(3, () => 0.25, 1e12), 120_600, "and is bounded by how long we try");
});

test("the node we were at comes first, then the nearest, and last whoever failed", () => {
  const nearest = ["a", "b", "c"].map(place);
  assert.deepEqual(hosts(inOrder(nearest, place("b"), new Set())), ["b", "a", "c"]);
  assert.deepEqual(hosts(inOrder(nearest, place("b"), new Set(["http://b"]))), ["a", "c", "b"]);
  assert.deepEqual(hosts(inOrder(nearest, place("gone"), new Set(["http://a", "http://b"]))), ["c", "a", "b"]);
  assert.deepEqual(hosts(inOrder(nearest, null, new Set())), ["a", "b", "c"]);
});

test("a node that drains hands us to the next one at once", async () => {
  const room = await joined();
  room.socket.say({ topic: "seat_lost", reason: "node_drained" });
  await until(() => names(room).includes("resumed"));
  assert.deepEqual(of("join").map(({ node }) => node), ["a.test", "b.test"]);
  assert.ok(!names(room).includes("participantleft"));
  await room.leave();
});

test("a refusal that no try can mend ends it with the node's words", async () => {
  const room = await joined();
  world.answers.join = () => ({ topic: "error", code: "room_full", message: "Full." });
  room.socket.drop(1006);
  await until(() => room.state === "closed");
  assert.deepEqual(room.seen.at(-1), ["closed", { code: "room_full", message: "Full." }]);
  assert.equal(of("join").length, 2);
});

test("a join that another device replaced meanwhile is not fought for", async () => {
  const room = await joined();
  world.answers.join = () => ({ topic: "error", code: "replaced", message: "Elsewhere." });
  room.socket.drop(1006);
  await until(() => room.state === "closed");
  assert.deepEqual(names(room).slice(-3), ["reconnecting", "replaced", "closed"]);
});

test("after two minutes without a node it is over", async () => {
  const room = await joined();
  const gone = [];
  room.addEventListener("disconnected", ({ detail }) => gone.push(detail.code));
  world.nodes = { "a.test": null, "b.test": null };
  const real = performance.now.bind(performance);
  room.socket.drop(1006);
  const late = mock.method(performance, "now", () => real() + 121_000);
  await until(() => room.state === "closed");
  late.mock.restore();
  assert.deepEqual(gone, ["node_unreachable"]);
  assert.equal(room.seen.at(-1)[1].code, "disconnected");
});

test("whoever waits to try again is woken by the network, and by a look at the page", async () => {
  const listeners = {};
  globalThis.addEventListener = (name, listener) => (listeners[name] = listener);
  globalThis.removeEventListener = (name) => delete listeners[name];
  globalThis.document = { visibilityState: "hidden", addEventListener: globalThis.addEventListener, removeEventListener: globalThis.removeEventListener };
  let woken = 0;
  const awakening = new Awakening(() => (woken += 1));
  const cut = awakening.pause(60_000);
  listeners.visibilitychange.handleEvent({ type: "visibilitychange" });
  assert.equal(woken, 0);
  listeners.online.handleEvent({ type: "online" });
  assert.deepEqual([await cut, woken], [true, 1]);
  const looked = awakening.pause(60_000);
  globalThis.document.visibilityState = "visible";
  listeners.visibilitychange.handleEvent({ type: "visibilitychange" });
  assert.equal(await looked, true);
  assert.equal(await awakening.pause(1), false);
  awakening.close();
  assert.deepEqual(listeners, {});
  for (const name of ["addEventListener", "removeEventListener", "document"]) delete globalThis[name];
});

test("what is written while away is sent once, in order, after the connection is back", async () => {
  const { room, say, acknowledged } = await chatting();
  await say("before");
  world.nodes = { "a.test": null, "b.test": null };
  room.socket.drop(1006);
  const said = ["one", "two", "three"].map(say);
  await settled();
  assert.deepEqual(texts(), ["before"]);
  world.nodes = { "a.test": 1, "b.test": 1 };
  await Promise.all(said);
  assert.deepEqual(texts(), ["before", "one", "two", "three"]);
  assert.deepEqual(acknowledged, ["before", "one", "two", "three"]);
  await room.leave();
});

test("a message that a broken connection left in doubt is said again under its own nonce", async () => {
  const { room, say, acknowledged } = await chatting();
  const granted = world.answers.chat;
  world.answers.chat = () => null;
  const said = [say("one"), say("two")];
  await settled();
  world.answers.chat = granted;
  room.socket.drop(1006);
  await Promise.all(said);
  assert.deepEqual(texts(), ["one", "one", "two"]);
  const [first, again, second] = of("chat").map(({ nonce }) => nonce);
  assert.equal(first, again);
  assert.notEqual(first, second);
  assert.deepEqual(acknowledged, ["one", "two"]);
  await room.leave();
});

test("what waits is bounded, and told when the room is over", async () => {
  const { room } = await chatting();
  room.socket.drop(1006);
  const waiting = Array.from({ length: 50 }, (_, number) => room.chat(`${number}`).catch(({ code }) => code));
  await assert.rejects(room.chat("one too many"), { code: "queue_full" });
  await room.leave();
  assert.deepEqual(new Set(await Promise.all(waiting)), new Set(["left"]));
  await assert.rejects(room.chat("too late"), { code: "not_in_room" });
});

test("what others said meanwhile comes before anything newer, each once", async () => {
  const { room } = await chatting();
  room.socket.say({ topic: "chat", ...line("me_1") });
  world.answers.hello = (_, { node }) => ({ topic: "welcome", node: node[0], region: "", token: "fresh", features: ["chat_after", "chat_seen"] });
  const missed = [line("me_1"), line("me_2"), line("me_3")];
  world.answers.join = (_, socket) => {
    setTimeout(() => socket.say({ topic: "chat", ...line("me_3") }), 5);
    setTimeout(() => socket.say({ topic: "chat", ...line("me_4") }), 5);
    return { topic: "joined", participant: "pa_me", participants: [grace()], degraded: false, epoch: 1, missed };
  };
  room.socket.drop(1006);
  await until(() => room.seen.some(([, text]) => text === "me_4"));
  assert.deepEqual(of("join").map(({ chat_after: after, chat_seen: seen }) => [after, seen]), [[undefined, undefined], ["me_1", ["me_1"]]]);
  const told = room.seen.filter(([name]) => ["chat", "resumed"].includes(name)).map(([name, text]) => (name === "chat" ? text : name));
  assert.deepEqual(told, ["me_1", "me_2", "me_3", "resumed", "me_4"]);
  await room.leave();
});

test("what lets somebody in is shown at each join, and a wrong one is not tried again", async () => {
  const { room } = await chatting({ invitation: "inv", pin: "0137" });
  room.socket.drop(1006);
  await until(() => names(room).includes("resumed"));
  assert.deepEqual(of("join").map(({ invitation, pin }) => [invitation, pin]), [["inv", "0137"], ["inv", "0137"]]);
  world.answers.join = () => ({ topic: "error", code: "pin_wrong", message: "That is not the PIN." });
  world.sockets.at(-1).drop(1006);
  await until(() => names(room).includes("closed"));
  assert.equal(of("join").length, 3);
});

test("a node that does not say that it knows what was missed is not asked for it", async () => {
  const { room } = await chatting();
  room.socket.say({ topic: "chat", ...line("me_1") });
  room.socket.drop(1006);
  await until(() => names(room).includes("resumed"));
  assert.ok(!("chat_after" in of("join")[1]) && !("chat_seen" in of("join")[1]));
  await room.leave();
});

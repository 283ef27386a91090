// What a room's owner can decide, what the others hear of it, and what was said before.

import assert from "node:assert/strict";
import { test } from "node:test";

import { joined, names, of, settled, until, world } from "./fakes.mjs";

const bad = { code: "argument_invalid" };
const moderation = () => ["kick", "ask_mute", "lock_room", "chat_history"].flatMap(of);
const line = (id, participant = "pa_grace") => ({ topic: "chat", message: id, participant, name: "Grace", text: id, at_ms: 7 });

/** A seat in a room whose node keeps the chat, and whose owner we are. */
async function moderating(options = {}) {
  const { hello, join } = world.answers;
  world.answers.hello = (...asked) => ({ ...hello(...asked), features: ["chat_history"] });
  world.answers.join = (...asked) => ({ ...join(...asked), moderates: true });
  for (const topic of ["kick", "ask_mute", "lock_room"]) world.answers[topic] = () => ({ topic: "ok" });
  const room = await joined(options);
  for (const name of ["muteasked", "roomchanged"]) {
    room.addEventListener(name, ({ detail }) => room.seen.push([name, detail]));
  }
  return room;
}

test("whoever moderates kicks, bans, asks to mute and locks", async () => {
  const room = await moderating();
  assert.equal(room.moderates, true);
  const participant = room.participants.get("pa_grace");
  await room.kick(participant);
  await room.kick(participant, { banSeconds: 0.5 });
  await room.askMute(participant, participant.tracks.get("tr_grace"));
  await room.lockRoom(true);
  assert.deepEqual(moderation().map(({ node, id, ...asked }) => asked), [
    { topic: "kick", participant: "pa_grace" },
    { topic: "kick", participant: "pa_grace", ban_s: 0.5 },
    { topic: "ask_mute", participant: "pa_grace", track: "tr_grace" },
    { topic: "lock_room", locked: true },
  ]);
  await room.leave();
});

test("the node's refusal is the page's error", async () => {
  const room = await moderating();
  world.answers.kick = () => ({ topic: "error", code: "not_permitted", message: "Not yours." });
  await assert.rejects(room.kick(room.participants.get("pa_grace")), { code: "not_permitted", message: "Not yours." });
  await room.leave();
});

test("a slip of the page is refused at the call, and the node hears nothing of it", async () => {
  const room = await moderating();
  const participant = room.participants.get("pa_grace");
  for (const odd of [null, undefined, "pa_grace", {}, { id: "" }]) await assert.rejects(room.kick(odd), bad);
  for (const odd of [0, -1, NaN, Infinity, "9", null, 4e9]) {
    await assert.rejects(room.kick(participant, { banSeconds: odd }), bad);
  }
  for (const odd of [null, "tr_grace", {}]) await assert.rejects(room.askMute(participant, odd), bad);
  for (const odd of [undefined, 1, "yes"]) await assert.rejects(room.lockRoom(odd), bad);
  for (const odd of [null, 7, { limit: 0 }, { limit: 101 }, { limit: "x" }, { before: "" }, { before: 5 }, { before: "x".repeat(65) }]) {
    await assert.rejects(room.chatHistory(odd), bad);
  }
  assert.deepEqual(moderation(), []);
  await room.leave();
});

test("the page hears which publication it is asked to mute and by whom, and nothing of one that it ended", async () => {
  const room = await moderating();
  const publication = await room.publish({ kind: "audio", enabled: true });
  await settled();
  room.socket.say({ topic: "mute_asked", track: publication.id, by: "pa_grace" });
  room.socket.say({ topic: "mute_asked", track: publication.id, by: null });
  room.socket.say({ topic: "mute_asked", track: "tr_gone", by: "pa_grace" });
  const asked = room.seen.filter(([name]) => name === "muteasked").map(([, detail]) => [detail.publication, detail.by?.name]);
  assert.deepEqual(asked, [[publication, "Grace"], [publication, undefined]]);
  assert.equal(publication.media.enabled, true, "it is up to the page");
  await room.leave();
});

test("a page knows when its room is handed over, to it or to somebody else", async () => {
  const room = await moderating();
  const changed = { topic: "room_changed", room: "lobby", locked: false, metadata: {}, owner: "us_other", max_participants: 5 };
  const seen = [];
  room.addEventListener("roomchanged", () => seen.push(room.moderates));
  for (const moderates of [false, true, undefined, false]) room.socket.say({ ...changed, moderates });
  assert.deepEqual(seen, [false, true, true, false], "a node of an older version does not say");
  await room.leave();
});

test("everybody hears of a lock, and knows it after a reconnection too", async () => {
  const room = await moderating();
  assert.equal(room.locked, false);
  const changed = { topic: "room_changed", room: "lobby", locked: true, metadata: { title: "Hall" }, owner: "", max_participants: 5 };
  room.socket.say(changed);
  const heard = room.seen.filter(([name]) => name === "roomchanged").map(([, detail]) => detail);
  assert.deepEqual(heard, [{ locked: true, metadata: { title: "Hall" } }]);
  assert.equal(room.locked, true);
  const { join } = world.answers;
  world.answers.join = (...asked) => ({ ...join(...asked), moderates: false, locked: true });
  room.socket.drop(1006);
  await until(() => names(room).includes("resumed"));
  assert.deepEqual([room.moderates, room.locked], [false, true]);
  await room.leave();
});

test("who is kicked is told so and does not come again by itself", async () => {
  const room = await joined();
  room.socket.say({ topic: "seat_lost", reason: "kicked" });
  assert.deepEqual(room.seen.at(-1), ["closed", { code: "kicked", message: "Whoever looks after the room removed you from it." }]);
  await settled();
  assert.equal(of("join").length, 1);
});

test("the chat of before comes in pages, as messages like any", async () => {
  const room = await moderating();
  world.answers.chat_history = ({ before }) => ({ topic: "chat_page", messages: before ? [line("m1", "pa_me")] : [line("m2"), line("m3")], more: !before });
  const newest = await room.chatHistory({ limit: 2 });
  assert.deepEqual([newest.messages.map(({ id }) => id), newest.more], [["m2", "m3"], true]);
  const { messages, more } = await room.chatHistory({ before: newest.messages[0].id });
  assert.deepEqual(messages, [{ id: "m1", participant: "pa_me", name: "Grace", text: "m1", at: new Date(7), mine: true }]);
  assert.equal(more, false);
  assert.deepEqual(of("chat_history").map(({ before, limit }) => [before, limit]), [[undefined, 2], ["m2", 50]]);
  await room.leave();
  await assert.rejects(room.chatHistory(), { code: "not_in_room" });
});

test("a node that knows no history is not asked, as it would end the connection", async () => {
  const room = await joined();
  await assert.rejects(room.chatHistory(), { code: "protocol_unsupported" });
  assert.deepEqual(moderation(), []);
  await room.leave();
});

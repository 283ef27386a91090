// Going over to another node before this one goes: the seat first, the media next, the old connection last.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Handover } from "../../../web/sdk/handover.js";
import { camera, grace, joined, names, of, settled, until, world } from "./fakes.mjs";

const MOVE = { topic: "move", urls: ["http://b.test"], reason: "node_drained", within_s: 6 };

function movable() {
  const hello = world.answers.hello;
  world.answers.hello = (...args) => ({ ...hello(...args), features: ["move"] });
}

/** A receiver that has heard nothing yet. */
function silent() {
  const track = Object.assign(new EventTarget(), { muted: true });
  return { track, speak: () => track.dispatchEvent(new Event("unmute")) };
}

test("the seat is taken at the other node before the old socket closes", async () => {
  movable();
  const room = await joined({ node: null });
  const before = room.socket;
  const open = [];
  const join = world.answers.join;
  world.answers.join = (message, socket) => {
    open.push([socket.node, before.readyState]);
    return join(message, socket);
  };
  const moved = [];
  room.addEventListener("moved", ({ detail }) => moved.push(detail.reason));
  before.say(MOVE);
  await until(() => room.home.node === "b");
  assert.deepEqual(open, [["b.test", 1]]);
  await until(() => before.readyState === 3);
  assert.deepEqual(moved, ["node_drained"]);
  assert.deepEqual(of("join").map(({ attempt, moves }) => [attempt, moves]), [[1, true], [2, true]]);
  assert.equal(room.state, "connected");
  assert.ok(!names(room).some((name) => ["participantleft", "reconnecting", "replaced", "closed"].includes(name)));
  before.say({ topic: "replaced" });
  await settled();
  assert.equal(room.state, "connected", "what the former node says counts no more");
  await room.leave();
});

test("where no other node takes us we stay", async () => {
  movable();
  const room = await joined();
  world.nodes["b.test"] = null;
  room.socket.say(MOVE);
  await settled();
  assert.deepEqual([room.state, room.home.node, room.socket.readyState], ["connected", "a", 1]);
  await room.leave();
});

test("a connection that breaks on the way is resumed once, by the move", async () => {
  movable();
  const room = await joined();
  const before = room.socket;
  const join = world.answers.join;
  world.answers.join = (message, socket) => {
    before.drop(1006);
    return join(message, socket);
  };
  before.say(MOVE);
  await until(() => names(room).includes("resumed"));
  await settled();
  assert.equal(of("join").length, 2);
  assert.equal(room.home.node, "b");
  await room.leave();
});

test("people whom the new node does not know yet are waited for", async () => {
  movable();
  const room = await joined();
  world.answers.join = () => ({ topic: "joined", participant: "pa_me", participants: [], degraded: false, epoch: 1 });
  room.socket.say(MOVE);
  await until(() => room.home.node === "b");
  await settled();
  world.sockets.at(-1).say({ topic: "participant_joined", participant: grace([camera]) });
  await settled();
  assert.ok(!names(room).includes("participantleft"));
  assert.equal(names(room).filter((name) => name === "participantjoined").length, 1);
  await room.leave();
});

test("a track goes over with its first packet, and the former connection ends with the last of them", async () => {
  const [one, two] = [silent(), silent()];
  const seen = [];
  let sending = false;
  const handover = new Handover(["one", "two"], () => sending, () => seen.push("done"));
  handover.arrived("one", one, () => seen.push("one"));
  handover.arrived("two", two, () => seen.push("two"));
  handover.arrived("new", silent(), () => seen.push("new"));
  assert.deepEqual(seen, ["new"], "what was not there before has nothing to wait for");
  two.speak();
  assert.deepEqual(seen, ["new", "two"]);
  one.speak();
  await new Promise((resolve) => setTimeout(resolve, 120));
  assert.deepEqual(seen, ["new", "two", "one"], "what we send still goes over the former one");
  sending = true;
  await until(() => seen.includes("done"));
  handover.end();
  assert.equal(seen.length, 4);
});

test("an end that comes early leaves nothing behind", () => {
  const seen = [];
  const handover = new Handover(["one", "two"], () => true, () => seen.push("done"));
  handover.arrived("one", silent(), () => seen.push("one"));
  handover.forget("two");
  handover.end();
  assert.deepEqual(seen, ["one", "done"]);
});

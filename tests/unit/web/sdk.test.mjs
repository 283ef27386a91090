// The SDK against a node made of a few lines.

import assert from "node:assert/strict";
import { test } from "node:test";

import { camera, FakePeer, findNodes, grace, joined, names, of, Room, settled, storage, until, world } from "./fakes.mjs";

test("a node that is clearly nearer wins, one that does not answer comes last", async () => {
  world.nodes = { "a.test": 80, "b.test": null, "c.test": 1 };
  const found = await findNodes("http://a.test", "lobby");
  assert.deepEqual(found.map(({ node }) => node), ["c", "a", "b"]);
  assert.equal(found[2].measured, null);
});

test("among nodes about as near, the node's own order decides", async () => {
  world.nodes = { "a.test": 4, "b.test": 1 };
  assert.equal((await findNodes("http://a.test", "lobby"))[0].node, "a");
});

test("the token goes into the first message and never into the address", async () => {
  const room = await joined();
  assert.equal(of("hello")[0].token, "token-1");
  assert.equal(room.home.node, "a");
  assert.deepEqual(names(room), ["participantjoined"]);
  await room.leave();
  assert.equal(room.state, "closed");
});

test("attempts rise over reloads of a tab, which stays the same person", async () => {
  await (await joined()).leave();
  await (await joined()).leave();
  assert.deepEqual(of("join").map(({ attempt }) => attempt - of("join")[0].attempt), [0, 1]);
  assert.deepEqual(of("hello").map(({ token }) => token), ["token-1", "fresh"]);
});

test("who says who they are is not taken for the guest that the tab was before", async () => {
  await (await joined()).leave();
  for (let visits = 0; visits < 2; visits += 1) await (await joined({ userToken: "head.body.of-ann" })).leave();
  await (await joined({ userToken: "head.body.of-bob" })).leave();
  await (await joined()).leave();
  assert.deepEqual(of("hello").map(({ token }) => token), ["token-1", "token-2", "fresh", "token-3", "fresh"]);
});

test("what the node could not check is said, until a join says otherwise", async () => {
  const granted = world.answers.join;
  world.answers.join = (message) => ({ ...granted(message), degraded: true, degraded_reasons: ["bans", "caps"] });
  const room = await joined();
  assert.deepEqual(room.degraded, ["bans", "caps"]);
  await room.leave();
  world.answers.join = granted;
  assert.deepEqual((await joined()).degraded, []);
});

test("a stale attempt is raised once, beyond the node's", async () => {
  const granted = world.answers.join;
  let refusals = 0;
  world.answers.join = (message) => {
    if (message.attempt > 40) return granted(message);
    refusals += 1;
    return { topic: "error", code: "attempt_stale", message: "Older.", highest_attempt: 40 };
  };
  const room = await joined();
  assert.equal(refusals, 1);
  assert.equal(of("join").at(-1).attempt, 41);
  await room.leave();
});

test("an old token is replaced by a new one", async () => {
  storage.set("starling.token", "garbage");
  const granted = world.answers.hello;
  world.answers.hello = (message, socket) =>
    message.token === "token-1" ? { topic: "error", code: "token_expired", message: "Old." } : granted(message, socket);
  const room = await joined();
  assert.deepEqual(of("hello").map(({ token }) => token), ["token-1", "token-2"]);
  await room.leave();
});

test("who moves to another node is the same person there, and neither leaves nor comes", async () => {
  const room = await joined();
  const [them] = room.participants.values();
  const moved = { topic: "participant_changed", participant: them.id, name: "Grace", node: "b", region: "south" };
  room.socket.say(moved);
  room.socket.say(moved);
  room.socket.say({ ...moved, participant: "pa_nobody" });
  room.socket.say({ topic: "participant_hummed", participant: them.id });
  await settled();
  assert.deepEqual(names(room), ["participantjoined", "participantchanged"]);
  assert.equal(room.seen[1][1].participant, them);
  assert.deepEqual([them.node, them.region, room.participants.get(them.id)], ["b", "south", them]);
  assert.equal(them.tracks.size, 1);
  await room.leave();
});

test("a refusal closes the room with the node's words", async () => {
  world.answers.join = () => ({ topic: "error", code: "room_full", message: "Full." });
  await assert.rejects(joined(), { code: "room_full", message: "Full." });
});

test("tracks are offered all at once, VP8 first, and candidates wait for the offer", async () => {
  const room = await joined();
  const publication = await room.publish({ kind: "video", enabled: true }, { source: "camera" });
  await settled();
  assert.equal(publication.id, "tr_0");
  assert.equal(publication.transceiver.codecs[0].mimeType, "video/VP8");
  const order = world.asked.map(({ topic }) => topic).filter((topic) => topic === "publish" || topic === "candidate");
  assert.deepEqual(order, ["publish", "candidate", "candidate"]);
  await room.mute(publication, true);
  assert.equal(publication.media.enabled, false);
  assert.deepEqual(of("mute").map(({ track, muted }) => [track, muted]), [["tr_0", true]]);
  await room.leave();
});

test("a track that the node refuses is not published, and the next offer goes without it", async () => {
  const room = await joined();
  const granted = world.answers.publish;
  world.answers.publish = () => ({ topic: "error", code: "codec_unsupported", message: "No." });
  await assert.rejects(room.publish({ kind: "video", enabled: true }), { code: "codec_unsupported" });
  assert.deepEqual(room.publications, []);
  world.answers.publish = granted;
  await room.publish({ kind: "audio", enabled: true });
  assert.deepEqual(of("publish").at(-1).tracks.map(({ kind }) => kind), ["audio"]);
  await room.leave();
});

test("a publisher without tracks takes new ones, and lets the last of the old go then", async () => {
  const room = await joined();
  const first = await room.publish({ kind: "video", enabled: true }, { source: "screen" });
  const [peer] = FakePeer.all.filter(({ transceivers }) => transceivers.length);
  await room.unpublish(first);
  assert.deepEqual(of("publish").at(-1).tracks, []);
  assert.equal(peer.transceivers[0].sender.track, null);
  await room.publish({ kind: "video", enabled: true }, { source: "screen" });
  await room.publish({ kind: "audio", enabled: true });
  assert.deepEqual(peer.transceivers.map(({ direction }) => direction), ["stopped", "sendonly", "sendonly"]);
  assert.deepEqual(of("publish").at(-1).tracks.map(({ mid }) => mid), ["1", "2"]);
  await room.leave();
});

test("a slip of the page is refused at the call, and the node hears nothing of it", async () => {
  const room = await joined();
  const bad = { code: "argument_invalid" };
  const [track, video] = [{ id: "tr_grace", kind: "video" }, { kind: "video", enabled: true }];
  for (const odd of [{ width: -1 }, { width: "a" }, { height: 1e9 }, { priority: 999 }, { paused: 1 }, 5]) {
    assert.throws(() => room.prefer(track, odd), bad);
  }
  assert.throws(() => room.prefer(null, {}), bad);
  assert.throws(() => room.attach(null, {}), bad);
  assert.throws(() => room.attach(track, null), bad);
  for (const odd of [{ source: "banana" }, { codec: "h266" }, { maxBitrate: -5 }, { maxBitrate: "x" }, { muted: "no" }, { hint: "" }, null]) {
    await assert.rejects(room.publish(video, odd), bad);
  }
  await assert.rejects(room.publish(video, { svc: true, codec: "vp8" }), bad);
  for (const odd of [null, undefined, {}, "camera"]) await assert.rejects(room.publish(odd), bad);
  for (const odd of ["", null, 7, "x".repeat(2_001)]) await assert.rejects(room.chat(odd), bad);
  assert.deepEqual(room.publications, []);
  assert.deepEqual([...of("publish"), ...of("prefer"), ...of("chat")], []);
  await room.leave();
});

test("a room is made of names, a node's URL and a transform that is one", () => {
  const bad = { code: "argument_invalid" };
  for (const odd of [{ base: "nourl" }, { base: "ftp://a.test" }, { node: 5 }, { room: undefined }, { name: 7 }, { transform: { sender: 5 } }, { transform: 5 }]) {
    assert.throws(() => new Room({ room: "lobby", name: "Ada", ...odd }), bad);
  }
});

test("fractions of pixels and bits are rounded", async () => {
  const room = await joined();
  world.answers.prefer = () => ({ topic: "ok" });
  room.prefer({ id: "tr_grace", kind: "video" }, { width: 100.5, height: 59.4, priority: 3.2 });
  await until(() => of("prefer").length === 1);
  assert.deepEqual(of("prefer")[0].tracks, [{ track: "tr_grace", width: 101, height: 59, priority: 3, paused: false }]);
  const { options } = await room.publish({ kind: "video", enabled: true }, { maxBitrate: 99_999.6 });
  assert.equal(options.maxBitrate, 100_000);
  await room.leave();
});

test("nothing is sent to a room that is over, and that is said", async () => {
  const room = await joined();
  await room.leave();
  await assert.rejects(room.publish({ kind: "audio", enabled: true }), { code: "not_in_room" });
  await assert.rejects(room.openData("cursor"), { code: "not_in_room" });
  assert.deepEqual(room.publications, []);
});

test("why a node ends a connection for good is told in its own words", async () => {
  const room = await joined();
  room.socket.say({ topic: "error", code: "malformed_message", message: "priority must be at most 255." });
  room.socket.drop(4400, "malformed_message");
  assert.deepEqual(room.seen.at(-1), ["closed", { code: "malformed_message", message: "priority must be at most 255." }]);
});

test("a track published while the engine or the connection goes is sent by the next one", async () => {
  const room = await joined();
  const granted = world.answers.publish;
  world.answers.publish = () => ({ topic: "error", code: "engine_unavailable", message: "Wait." });
  await room.publish({ kind: "audio", enabled: true });
  world.answers.publish = () => null;
  const publishing = room.publish({ kind: "video", enabled: true });
  await settled();
  world.answers.publish = granted;
  room.socket.drop(1006);
  await publishing;
  await until(() => room.publications.every(({ id }) => id));
  assert.deepEqual(of("publish").at(-1).tracks.map(({ kind }) => kind), ["audio", "video"]);
  await room.leave();
});

test("an answer that the engine did not live to hear costs no connection", async () => {
  const room = await joined();
  world.answers.answer = () => ({ topic: "error", code: "engine_unavailable", message: "Wait." });
  room.socket.say({ topic: "offer", sdp: "offer", generation: 1, tracks: [] });
  await settled();
  assert.equal(room.state, "connected");
  world.answers.answer = () => ({ topic: "error", code: "sdp_invalid", message: "No." });
  room.socket.say({ topic: "offer", sdp: "offer", generation: 2, tracks: [] });
  await settled();
  assert.ok(names(room).includes("reconnecting"));
  await room.leave();
});

test("an offer is answered with its generation and brings its track", async () => {
  const room = await joined();
  room.socket.say({ topic: "offer", sdp: "offer", generation: 3, tracks: [{ mid: "0", track: "tr_grace", participant: "pa_grace" }] });
  await settled();
  assert.equal(of("answer")[0].generation, 3);
  const [, { track }] = room.seen.find(([name]) => name === "trackadded");
  assert.equal(track.media.kind, "video");
  room.socket.say({ topic: "participant_left", participant: "pa_grace", reason: "left" });
  assert.deepEqual(names(room).slice(-2), ["trackremoved", "participantleft"]);
  await room.leave();
});

test("what others send arrives with who they are", async () => {
  const room = await joined();
  room.addEventListener("data", ({ detail }) => room.seen.push(["data", detail]));
  room.socket.say({ topic: "offer", sdp: "offer", generation: 1, tracks: [] });
  await settled();
  const channel = { label: "cursor" };
  FakePeer.all.find((peer) => peer.ondatachannel).ondatachannel({ channel });
  channel.onmessage({ data: new TextEncoder().encode("\bpa_gracehello").buffer });
  const heard = room.seen.filter(([name]) => name === "data").map(([, detail]) => detail);
  assert.deepEqual(heard.map(({ label, participant, text }) => [label, participant.name, text]), [["cursor", "Grace", "hello"]]);
  await room.leave();
});

test("media that comes before the news of its track waits for it", async () => {
  const room = await joined();
  room.socket.say({ topic: "offer", sdp: "offer", generation: 1, tracks: [{ mid: "0", track: "tr_new", participant: "pa_grace" }] });
  await settled();
  assert.ok(!names(room).includes("trackadded"));
  room.socket.say({ topic: "track_published", participant: "pa_grace", track: { ...camera, track: "tr_new" } });
  assert.ok(names(room).includes("trackadded"));
  await room.leave();
});

test("a new engine gets new peer connections with the old track ids", async () => {
  const room = await joined();
  await room.publish({ kind: "audio", enabled: true });
  room.socket.say({ topic: "restart", epoch: 2 });
  await settled();
  assert.deepEqual(of("publish").map(({ tracks }) => tracks[0].track), [undefined, "tr_0"]);
  assert.ok(FakePeer.all[0].closed);
  await room.leave();
});

test("what a connection that is gone could not say is no trouble: the next one says it", async () => {
  const granted = world.answers.publish;
  world.answers.publish = () => ({ topic: "error", code: "engine_unavailable", message: "Wait." });
  const room = new Room({ room: "lobby", name: "Ada" });
  const troubles = [];
  room.addEventListener("trouble", ({ detail }) => troubles.push(detail.code));
  await room.publish({ kind: "audio", enabled: true });
  await room.join();
  await until(() => of("publish").length === 1);
  world.sockets.at(-1).say({ topic: "restart", epoch: 2 });
  world.answers.publish = granted;
  await until(() => room.publications[0].id);
  assert.deepEqual(troubles, []);
  await room.leave();
});

test("a restriction of codecs holds over a new engine, and is lifted where nobody knows of it", async () => {
  const room = await joined();
  const publication = await room.publish({ kind: "video", enabled: true });
  const offered = () => publication.transceiver.codecs.map(({ mimeType }) => mimeType);
  room.socket.say({ topic: "codecs", track: publication.id, codecs: ["h264"] });
  room.socket.say({ topic: "restart", epoch: 2 });
  await settled();
  assert.deepEqual(offered(), ["video/H264"]);
  room.socket.drop(1006);
  await until(() => names(room).includes("resumed"));
  assert.deepEqual(offered(), ["video/VP8", "video/H264"]);
  await room.leave();
});

test("the node asks for a second encoding, and gets it beside the first", async () => {
  const room = await joined();
  const copy = { kind: "video", enabled: true, stop() { this.stopped = true; } };
  const publication = await room.publish({ kind: "video", enabled: true, clone: () => copy });
  room.socket.say({ topic: "second_wanted", track: publication.id, codecs: ["h264"] });
  await until(() => of("publish").length === 2);
  await settled();
  assert.deepEqual(of("publish")[1].tracks.map(({ alternative_of: first }) => first), [undefined, publication.id]);
  assert.deepEqual(room.publications, [publication]);
  await room.leave();
  assert.ok(copy.stopped);
});

test("nobody waits for a data channel of a room that is over", async () => {
  const room = await joined();
  FakePeer.prototype.createDataChannel = () => ({ readyState: "connecting", close() {} });
  const opening = room.openData("cursor");
  await until(() => of("publish").length === 1);
  await settled();
  await Promise.all([assert.rejects(opening, { code: "data_closed" }), room.leave()]);
});

test("nobody speaks on a connection that is gone", async () => {
  const room = await joined();
  const heard = [];
  room.addEventListener("speakers", ({ detail }) => heard.push(detail.speakers.map(({ id }) => id)));
  room.socket.say({ topic: "speakers", speakers: [{ participant: "pa_grace", track: "tr_grace", level_db: -20 }] });
  room.socket.drop(1006);
  assert.deepEqual(heard, [["pa_grace"], []]);
  await until(() => names(room).includes("resumed"));
  await room.leave();
});

test("the node's ping is answered", async () => {
  const room = await joined();
  room.socket.say({ topic: "ping", n: 9 });
  assert.equal(of("pong")[0].n, 9);
  await room.leave();
});

test("a broken socket is followed by a higher attempt, and the room is compared, not rebuilt", async () => {
  const room = await joined();
  world.answers.join = () => ({ topic: "joined", participant: "pa_me", participants: [grace([])], degraded: false, epoch: 1 });
  room.socket.drop(1006);
  await until(() => names(room).includes("resumed"));
  assert.deepEqual(names(room), ["participantjoined", "reconnecting", "trackremoved", "resumed"]);
  assert.equal(of("join")[1].attempt, of("join")[0].attempt + 1);
  await room.leave();
});

test("when the node is gone, another one takes us", async () => {
  const room = await joined();
  world.nodes["a.test"] = null;
  room.socket.drop(1006);
  await until(() => names(room).includes("resumed"));
  assert.equal(room.home.node, "b");
  await room.leave();
});

test("a seat that a newer join took is not fought for", async () => {
  const room = await joined();
  const opened = world.sockets.length;
  room.socket.say({ topic: "replaced" });
  room.socket.drop(4409, "replaced");
  await settled();
  assert.deepEqual(names(room).slice(-2), ["replaced", "closed"]);
  assert.equal(world.sockets.length, opened);
});

test("what a newer node says more is passed over", async () => {
  const room = await joined();
  room.socket.say({ topic: "weather", sky: "blue" });
  assert.equal(room.state, "connected");
  await room.leave();
});

// One source in two encodings, as a publisher's SDK sends it: against a node of a few lines, without media.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

const named = (...names) => ({ codecs: names.map((name) => ({ mimeType: `video/${name}` })) });
globalThis.RTCRtpReceiver = { getCapabilities: () => named("AV1", "VP9", "H264", "VP8", "rtx") };
globalThis.RTCRtpSender = { getCapabilities: () => named("AV1", "VP9", "VP8", "rtx") };

class FakePeer {
  transceivers = [];
  addTransceiver(media, init) {
    const sender = { track: media, async replaceTrack(other) { this.track = other; } };
    const transceiver = { mid: null, init, sender, direction: "sendonly", currentDirection: null };
    transceiver.setCodecPreferences = (codecs) => (transceiver.codecs = codecs.map(({ mimeType }) => mimeType));
    transceiver.stop = () => (transceiver.direction = "stopped");
    this.transceivers.push(transceiver);
    return transceiver;
  }
  getTransceivers() {
    return this.transceivers;
  }
  async setLocalDescription() {
    this.transceivers.forEach((one, index) => (one.mid ??= String(index)));
    this.localDescription = { sdp: "offer" };
  }
  async setRemoteDescription() {
    this.transceivers.forEach((one) => (one.currentDirection = one.direction));
  }
  close() {}
}
globalThis.RTCPeerConnection = FakePeer;

const { Outgoing } = await import("../../../web/sdk/outgoing.js");

/** A camera's track that counts its copies. */
class FakeTrack {
  kind = "video";
  enabled = true;
  stopped = false;
  copies = [];
  clone() {
    this.copies.push(new FakeTrack());
    return this.copies.at(-1);
  }
  stop() {
    this.stopped = true;
  }
}

let published, muted, troubles, refuse;
beforeEach(() => {
  [published, muted, troubles, refuse] = [[], [], [], null];
});

const signal = () => ({
  tell() {},
  async request(topic, body) {
    if (topic === "mute") return void muted.push(body.track);
    published.push(body.tracks);
    const error = refuse?.(body.tracks);
    if (error) throw Object.assign(new Error(error), { code: error });
    return { sdp: "v=0\r\n", tracks: Object.fromEntries(body.tracks.map(({ mid, track }) => [mid, track ?? `tr_${mid}`])) };
  },
});

async function sending(options = {}) {
  const outgoing = new Outgoing(null, (error) => troubles.push(error.code));
  await outgoing.begin(signal(), () => {});
  const media = new FakeTrack();
  const first = await outgoing.publish(media, "camera", false, { codec: "av1", ...options });
  return { outgoing, media, first };
}
const ofLast = (field) => published.at(-1).map((track) => track[field]);

test("the same source goes once more, as the alternative of the first, which stays as it is", async () => {
  const { outgoing, media, first } = await sending();
  await outgoing.double({ track: first.id, codecs: ["H264", "vp8"] });
  assert.deepEqual(ofLast("alternative_of"), [undefined, "tr_0"]);
  assert.deepEqual(ofLast("track"), ["tr_0", undefined]);
  assert.deepEqual(ofLast("source"), ["camera", "camera"]);
  const [one, other] = [first.transceiver, first.second.transceiver];
  assert.equal(one.codecs[0], "video/AV1");
  assert.deepEqual(other.codecs, ["video/VP8", "video/rtx"], "it can play H264, but not send it");
  assert.deepEqual(other.init.sendEncodings.map(({ rid }) => rid), one.init.sendEncodings.map(({ rid }) => rid));
  assert.equal(other.sender.track, media.copies[0]);
  assert.equal(first.second.id, "tr_1");
  assert.deepEqual([...outgoing.publications], [first], "a page knows of one");
});

test("one in layers goes once more in sizes: VP8 has no such layers", async () => {
  const { outgoing, first } = await sending({ codec: "vp9", svc: true });
  await outgoing.double({ track: first.id, codecs: ["vp8"] });
  assert.ok(first.second.transceiver.init.sendEncodings.every(({ rid, scalabilityMode }) => rid && !scalabilityMode));
});

test("a second that suits is left alone, and another codec is another track", async () => {
  const { outgoing, media, first } = await sending();
  await outgoing.double({ track: first.id, codecs: ["vp8", "vp9"] });
  const { second } = first;
  await outgoing.double({ track: first.id, codecs: ["vp8"] });
  assert.equal(first.second, second);
  assert.equal(published.length, 2);
  await outgoing.double({ track: first.id, codecs: ["vp9"] });
  assert.deepEqual(ofLast("track"), ["tr_0", undefined]);
  assert.notEqual(first.second.id, second.id);
  assert.deepEqual(media.copies.map(({ stopped }) => stopped), [true, false]);
});

test("it ends when it is said to, and with the first, and with the room; the camera does not stay on", async () => {
  for (const end of [
    (outgoing, first) => outgoing.double({ track: first.id, codecs: [] }),
    (outgoing, first) => outgoing.unpublish(first),
    (outgoing) => outgoing.close(),
  ]) {
    const { outgoing, media, first } = await sending();
    await outgoing.double({ track: first.id, codecs: ["vp8"] });
    await end(outgoing, first);
    assert.deepEqual([media.copies[0].stopped, media.stopped], [true, false]);
    assert.deepEqual(outgoing.sent.filter(({ alternativeOf }) => alternativeOf), []);
  }
  assert.ok(published.some((tracks) => tracks.length === 1 && tracks[0].track === "tr_0"), "said to the node");
});

test("what this browser cannot send is a trouble, and what it sends already goes on", async () => {
  const { outgoing, media, first } = await sending();
  await outgoing.double({ track: first.id, codecs: ["h264"] });
  assert.deepEqual(troubles, ["codec_impossible"]);
  assert.deepEqual(outgoing.sent, [first]);
  assert.ok(media.copies.every(({ stopped }) => stopped));
  await outgoing.double({ track: first.id, codecs: ["vp8"] });
  const { second } = first;
  await outgoing.double({ track: first.id, codecs: ["h264"] });
  assert.equal(first.second, second);
  assert.equal(second.media.stopped, false);
});

test("both are dark together and show the same camera", async () => {
  const { outgoing, media, first } = await sending();
  await outgoing.double({ track: first.id, codecs: ["vp8"] });
  const shown = () => first.second.transceiver.sender.track;
  const other = new FakeTrack();
  await first.replace(other);
  assert.equal(shown(), other.copies[0]);
  assert.deepEqual([media.copies[0].stopped, media.stopped], [true, false]);
  await outgoing.mute(first, true);
  assert.deepEqual([other.enabled, other.copies[0].stopped], [false, true]);
  assert.deepEqual(muted, ["tr_0"], "the room knows of one");
  await outgoing.mute(first, false);
  assert.equal(shown(), other.copies[1]);
  assert.deepEqual([shown().enabled, shown().stopped], [true, false]);
  outgoing.close();
  assert.ok(other.copies[1].stopped);
});

test("while we are dark no copy of a track keeps the camera on", async () => {
  const { outgoing, media, first } = await sending();
  await outgoing.mute(first, true);
  await outgoing.double({ track: first.id, codecs: ["vp8"] });
  const other = new FakeTrack();
  await first.replace(other);
  assert.deepEqual([...media.copies, ...other.copies].map(({ stopped }) => stopped), [true]);
  await outgoing.mute(first, false);
  assert.equal(first.second.transceiver.sender.track, other.copies[0]);
});

test("a new connection takes both along; a node that knows neither asks anew", async () => {
  const { outgoing, first } = await sending();
  await outgoing.double({ track: first.id, codecs: ["vp8"] });
  outgoing.end();
  await outgoing.begin(signal(), () => {});
  assert.deepEqual(ofLast("track"), ["tr_0", "tr_1"]);
  assert.deepEqual(ofLast("alternative_of"), [undefined, "tr_0"]);
  outgoing.end();
  refuse = (tracks) => tracks[0].track && "track_unknown";
  await outgoing.begin(signal(), () => {});
  assert.deepEqual(ofLast("track"), [undefined]);
  refuse = null;
  await outgoing.publish(new FakeTrack(), "screen", false, {});
  assert.deepEqual(ofLast("source"), ["camera", "screen"]);
});

test("a second that the node refuses does not stand in the way of what is published later", async () => {
  const { outgoing, first } = await sending();
  refuse = (tracks) => tracks.length === 2 && "codec_unsupported";
  await outgoing.double({ track: first.id, codecs: ["vp8"] });
  assert.deepEqual(troubles, ["codec_unsupported"]);
  refuse = null;
  await outgoing.publish(new FakeTrack(), "screen", false, {});
  assert.deepEqual(ofLast("source"), ["camera", "screen"]);
});

test("what is watched of the second is its own affair", async () => {
  const { outgoing, first } = await sending();
  await outgoing.double({ track: first.id, codecs: ["vp8"] });
  const changed = [];
  for (const track of [first.second.id, first.id]) {
    outgoing.obey({ track, encodings: { q: true, h: false, f: false } }, (publication) => changed.push(publication));
  }
  assert.deepEqual(changed, [first]);
  assert.deepEqual(first.second.wanted.encodings, { q: true, h: false, f: false });
});

test("nobody asks for a third, nor for what is over", async () => {
  const { outgoing, first } = await sending();
  await outgoing.double({ track: first.id, codecs: ["vp8"] });
  await outgoing.double({ track: first.second.id, codecs: ["vp9"] });
  await outgoing.double({ track: "tr_gone", codecs: ["vp9"] });
  assert.equal(published.length, 2);
  assert.deepEqual(troubles, []);
});

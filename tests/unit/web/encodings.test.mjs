// What a track is sent as: decided without a connection.

import assert from "node:assert/strict";
import { test } from "node:test";

import { asChosen, asWanted, encodingsFor, nameOf, orderCodecs } from "../../../web/sdk/encodings.js";

const camera = (height) => ({ kind: "video", getSettings: () => ({ height }) });
const rids = (encodings) => encodings.map(({ rid }) => rid);
const named = (...types) => types.map((mimeType) => ({ mimeType }));
const names = (codecs) => codecs.map(nameOf);

test("a camera is sent in three sizes, smallest first, each with its own limit", () => {
  const encodings = encodingsFor(camera(720), "camera");
  assert.deepEqual(rids(encodings), ["q", "h", "f"]);
  assert.deepEqual(encodings.map(({ scaleResolutionDownBy }) => scaleResolutionDownBy), [4, 2, 1]);
  assert.ok(encodings[0].maxBitrate < encodings[1].maxBitrate && encodings[1].maxBitrate < encodings[2].maxBitrate);
});

test("no more sizes are sent than a browser sends, which would leave out the largest", () => {
  assert.deepEqual(rids(encodingsFor(camera(540), "camera")), ["q", "h", "f"]);
  assert.deepEqual(rids(encodingsFor(camera(360), "camera")), ["h", "f"]);
  assert.deepEqual(rids(encodingsFor(camera(240), "camera")), [undefined]);
  assert.deepEqual(rids(encodingsFor({ kind: "video" }, "camera")), ["q", "h", "f"]);
});

test("sound has no encodings, a picture without simulcast one without a name", () => {
  assert.deepEqual(encodingsFor({ kind: "audio" }, "microphone"), []);
  const [only, ...more] = encodingsFor(camera(720), "camera", { simulcast: false, maxBitrate: 900_000 });
  assert.deepEqual([only.rid, only.maxBitrate, more.length], [undefined, 900_000, 0]);
});

test("a shared screen keeps its letters, unless it moves", () => {
  const [small, full] = encodingsFor(camera(1080), "screen");
  assert.ok(small.maxFramerate < full.maxFramerate);
  assert.equal(full.scaleResolutionDownBy, 1);
  assert.deepEqual(encodingsFor(camera(1080), "screen", { hint: "motion" }).map(({ maxFramerate }) => maxFramerate), [30, 30]);
});

test("what nobody watches is not sent, by name", () => {
  const encodings = encodingsFor(camera(720), "camera");
  const active = (wanted) => asWanted(encodings, { encodings: wanted, spatial: null }).map(({ active }) => active);
  assert.deepEqual(active({ q: true, h: false, f: false }), [true, false, false]);
  assert.deepEqual(active({ q: false, h: false, f: false }), [false, false, false]);
  assert.deepEqual(active({ f: true }), [true, true, true]); // of what is not named, the others decide
  const [alone] = asWanted([{ maxBitrate: 1 }], { encodings: { "": false }, spatial: null });
  assert.deepEqual(alone, { maxBitrate: 1, active: false });
});

test("fewer spatial layers keep the smallest size", () => {
  const encodings = encodingsFor(camera(720), "camera", { svc: true });
  const at = (spatial) => asWanted(encodings, { encodings: { "": true }, spatial })[0];
  assert.deepEqual([at(2).scalabilityMode, at(2).scaleResolutionDownBy], ["L3T3_KEY", 1]);
  assert.deepEqual([at(1).scalabilityMode, at(1).scaleResolutionDownBy], ["L2T3_KEY", 2]);
  assert.deepEqual([at(0).scalabilityMode, at(0).scaleResolutionDownBy], ["L1T3", 4]);
  assert.equal(at(null).scalabilityMode, "L3T3_KEY");
});

test("the wanted codec comes first, its companions last", () => {
  const video = named("video/H264", "video/rtx", "video/VP8", "video/VP9", "video/red");
  assert.deepEqual(names(orderCodecs(video, "camera")), ["vp8", "h264", "vp9", "rtx", "red"]);
  assert.equal(names(orderCodecs(video, "camera", { svc: true }))[0], "vp9");
  assert.equal(names(orderCodecs(video, "camera", { codec: "h264" }))[0], "h264");
});

test("a microphone is sent with redundancy, shared sound without", () => {
  const audio = named("audio/opus", "audio/PCMU", "audio/red");
  assert.deepEqual(names(orderCodecs(audio, "microphone")), ["red", "opus", "pcmu"]);
  assert.deepEqual(names(orderCodecs(audio, "screen_audio")), ["opus", "pcmu"]);
  assert.deepEqual(names(orderCodecs(audio, "microphone", { red: false })), ["opus", "pcmu"]);
});

test("a restriction leaves only what everybody plays, and nothing where that is nothing", () => {
  const video = named("video/VP8", "video/rtx", "video/AV1", "video/H264");
  assert.deepEqual(names(orderCodecs(video, "camera", { codec: "av1" }, ["vp8", "h264"])), ["vp8", "h264", "rtx"]);
  assert.deepEqual(orderCodecs(video, "camera", {}, ["vp9"]), []);
});

test("an answer gets the Opus parameters of the line it names, and keeps the rest", () => {
  const sdp = ["v=0", "m=audio 9 X 111", "a=mid:0", "a=rtpmap:111 opus/48000/2", "a=fmtp:111 minptime=10;useinbandfec=1",
    "m=audio 9 X 111", "a=mid:1", "a=rtpmap:111 opus/48000/2", "m=video 9 X 96", "a=mid:2", ""].join("\r\n");
  const choice = (fec, dtx) => ({ order: ["opus"], opus: { fec, dtx } });
  const lines = asChosen(sdp, new Map([["0", choice(false, true)], ["1", choice(true, false)]])).split("\r\n");
  assert.equal(lines[4], "a=fmtp:111 minptime=10;useinbandfec=0;usedtx=1");
  assert.equal(lines[8], "a=fmtp:111 useinbandfec=1;usedtx=0");
  assert.deepEqual(lines.slice(9), ["m=video 9 X 96", "a=mid:2", ""]);
  assert.equal(asChosen(sdp, new Map()), sdp);
});

test("an answer names first what we prefer to send; what we do not know follows as it was", () => {
  const sdp = ["m=video 9 UDP/TLS/RTP/SAVPF 96 97 45 46 120", "a=mid:0", "a=rtpmap:96 VP8/90000", "a=rtpmap:97 rtx/90000",
    "a=rtpmap:45 AV1/90000", "a=rtpmap:46 rtx/90000", "a=rtpmap:120 weather/90000", ""].join("\r\n");
  const opus = { fec: true, dtx: false };
  const first = (order) => asChosen(sdp, new Map([["0", { order, opus }]])).split("\r\n")[0];
  assert.equal(first(["av1", "vp8", "rtx"]), "m=video 9 UDP/TLS/RTP/SAVPF 45 96 97 46 120");
  assert.equal(first([]), "m=video 9 UDP/TLS/RTP/SAVPF 96 97 45 46 120");
});

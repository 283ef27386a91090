// A person of an experiment in a browser: joins, publishes a picture that says when it was drawn, and a microphone, takes
// what everybody else sends, and counts. Times are milliseconds of the wall clock, which all browsers of a machine share.

import { Room } from "/sdk/starling.js";
import { paint, watch } from "/picture.js";

const now = () => performance.timeOrigin + performance.now();

/** Sums up a counter that begins anew whenever its peer connection does. */
class Growth {
  #base = 0;
  #last = 0;

  to(value = 0) {
    if (value < this.#last) this.#base += this.#last;
    this.#last = value;
    return this.#base + value;
  }
}

const COUNTED = ["packetsReceived", "bytesReceived", "packetsLost", "freezeCount", "totalFreezesDuration"];

/** What comes of one kind from one other, over all tracks that carry it in turn. */
class Flow {
  first_frame_ms = null;
  #track = null;
  #seen = null;
  #counters = Object.fromEntries(COUNTED.map((name) => [name, new Growth()]));

  constructor(sender, kind) {
    this.sender = sender;
    this.kind = kind;
  }

  take(track) {
    this.#track = track;
    if (track.kind === "video") {
      this.#seen = watch(track.media, this.#seen);
      this.#seen.began_ms = now();
      return;
    }
    const audio = new Audio();
    audio.srcObject = new MediaStream([track.media]);
    audio.play().catch(() => {});
    const heard = () => (this.first_frame_ms ??= now());
    if (track.media.muted) track.media.addEventListener("unmute", heard, { once: true });
    else heard();
  }

  async read() {
    const report = await this.#track.receiver.getStats();
    const inbound = [...report.values()].find((entry) => entry.type === "inbound-rtp") ?? {};
    const counted = Object.fromEntries(COUNTED.map((name) => [name, this.#counters[name].to(Math.max(0, inbound[name] ?? 0))]));
    const seen = this.#seen;
    if (seen && seen.first_ms !== null) this.first_frame_ms ??= seen.began_ms + seen.first_ms;
    const gap_ms = seen ? Math.max(seen.gap_ms, seen.last === null ? 0 : performance.now() - seen.last) : 0;
    seen?.mark();
    return {
      sender: this.sender,
      kind: this.kind,
      ...counted,
      jitter_ms: (inbound.jitter ?? 0) * 1000,
      delays_ms: seen ? seen.delays.splice(0) : [],
      gap_ms,
      first_frame_ms: this.first_frame_ms,
    };
  }
}

let room = null;
const flows = new Map();
const published = new Map();
let news = [];

export async function join({ name, room: called, node, stamp, width, height, rate, bits }) {
  room = new Room({ room: called, name, node });
  room.addEventListener("trackadded", ({ detail: { participant, track } }) => {
    const key = `${participant.name} ${track.kind}`;
    if (!flows.has(key)) flows.set(key, new Flow(participant.name, track.kind));
    flows.get(key).take(track);
  });
  for (const [kind, what] of [["reconnecting", "away"], ["resumed", "seated"], ["disconnected", "ended"]]) {
    room.addEventListener(kind, ({ detail }) => news.push({ at_ms: now(), what, detail: detail?.code ?? room.home?.node ?? "" }));
  }
  await room.join();
  const picture = paint(stamp, { width, height, rate, grains: 20 });
  const microphone = await navigator.mediaDevices.getUserMedia({ audio: true });
  const publish = async (kind, track, options) => published.set(kind, { publication: await room.publish(track, options), sent: new Growth() });
  await publish("video", picture, { source: "camera", simulcast: false, maxBitrate: bits });
  await publish("audio", microphone.getAudioTracks()[0], { source: "microphone" });
  return { node: room.home?.node ?? "", participant: room.me };
}

/** Everything since the beginning, but gaps, delays and news, which are since the last time. */
export async function sample() {
  const sent = {};
  for (const [kind, { publication, sent: growth }] of published) {
    const encodings = await room.statistics(publication);
    sent[kind] = growth.to(encodings.reduce((sum, { packets }) => sum + (packets ?? 0), 0));
  }
  const received = [];
  for (const flow of flows.values()) received.push(await flow.read());
  const told = news;
  news = [];
  return { sent, received, news: told };
}

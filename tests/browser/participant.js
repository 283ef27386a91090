// Drives the SDK in a page of the tests and keeps what was seen, in plain values.

import { Room } from "/sdk/starling.js";
import { emit, measure } from "/flash.js";
import { paint, watch } from "/picture.js";

let room = null;
let moved = false;
let joinStarted = 0;
let flashes = null;
const events = [];
const chats = [];
const taken = [];
const data = [];
const published = new Map();
const pictures = new Map();
const removed = [];
const sounds = new Map();
const senders = new Map();
/** Of each picture id, whatever track it comes on: when it was seen last, and the longest time without it since mark(). */
const gaps = new Map();

const longest = ({ last, gap_ms }, now) => Math.max(gap_ms, now - last);
function told(id, now) {
  const before = gaps.get(id);
  gaps.set(id, { last: now, gap_ms: before ? longest(before, now) : 0 });
}

/** Take a seat; with a `key`, whatever is sent and received is encrypted from end to end. */
export async function join({ room: name, node, picture, key, name: called }) {
  joinStarted = performance.now();
  const worker = key === null ? null : new Worker("/cipher.js", { name: String(key) });
  const transform = worker && { sender: worker, receiver: worker };
  const usual = picture === null ? "viewer" : `painter ${picture}`;
  room = new Room({ room: name, name: called ?? usual, node, transform });
  for (const kind of ["participantjoined", "participantleft", "reconnecting", "resumed", "replaced", "disconnected", "closed", "moved", "trouble", "trackrefused", "muteasked", "roomchanged"]) {
    room.addEventListener(kind, ({ detail }) =>
      events.push({
        kind,
        id: (detail?.participant ?? detail?.by)?.id,
        code: detail?.code,
        message: detail?.message,
        source: detail?.publication?.source,
        locked: detail?.locked,
      }),
    );
  }
  room.addEventListener("moved", () => (moved = true));
  room.addEventListener("chat", ({ detail }) => chats.push({ text: detail.text, mine: detail.mine }));
  room.addEventListener("data", ({ detail }) => data.push({ label: detail.label, sender: detail.sender, text: detail.text }));
  room.addEventListener("trackadded", ({ detail: { participant, track } }) => {
    senders.set(track.id, participant.name);
    if (track.kind === "video") {
      // After a move the gap runs from the last picture over the former connection.
      const seen = watch(track.media, moved ? pictures.get(track.id)?.seen : null, told);
      seen.started_ms = performance.now() - joinStarted;
      pictures.set(track.id, { seen, track });
    } else {
      sounds.set(track.id, track);
      const audio = new Audio();
      audio.srcObject = new MediaStream([track.media]);
      audio.play().catch(() => {});
    }
  });
  room.addEventListener("trackremoved", ({ detail: { track } }) => {
    pictures.delete(track.id);
    removed.push(track.id);
    sounds.delete(track.id);
  });
  await room.join();
}

/** Publish what says whose it is; `shape` as {@link paint} takes it, `options` as the SDK does. */
export async function publishPicture({ picture, source, shape, options }) {
  published.set(source, await room.publish(paint(picture, shape), { source, ...options }));
}

export const unpublish = ({ source }) => room.unpublish(published.get(source));

export async function publishMicrophone({ options }) {
  const microphone = await navigator.mediaDevices.getUserMedia({ audio: true });
  published.set("microphone", await room.publish(microphone.getAudioTracks()[0], { source: "microphone", ...options }));
}

/** Share what the browser takes for a screen; it asks nobody which. */
export async function publishDisplay() {
  const display = await navigator.mediaDevices.getDisplayMedia({ video: true });
  published.set("screen", await room.publish(display.getVideoTracks()[0], { source: "screen" }));
}

export async function publishFlashes({ options }) {
  const { video, audio } = emit(options.shape);
  await room.publish(audio, { source: "microphone" });
  await room.publish(video, { source: "camera", ...options });
  flashes = await measure(video.clone(), audio.clone());
}

/** Measure the flashes and beeps of the one who sends them; `late_ms` is how late this page plays the picture. */
export async function measureFlashes({ late_ms }) {
  const [{ track: video }] = pictures.values();
  const [audio] = sounds.values();
  if (late_ms) video.receiver.jitterBufferTarget = late_ms;
  flashes = await measure(video.media, audio.media);
}

/** Offsets in ms of the flashes and beeps so far. */
export const offsets = () => flashes();

export const say = ({ text }) => room.chat(text);
/** Say it whenever there is a connection; `taken` lists what a node acknowledged. */
export const sayLater = ({ text }) => {
  room.chat(text).then(() => taken.push(text), ({ code }) => taken.push(`${text}: ${code}`));
};
/** Make a room that is ours, with the token of a call before. */
export async function makeRoom({ room: name }) {
  const { token } = JSON.parse(sessionStorage.getItem("starling.token"));
  const made = await fetch("/v1/rooms", { method: "POST", headers: { Authorization: `Bearer ${token}` }, body: JSON.stringify({ room: name }) });
  if (!made.ok) throw new Error(await made.text());
}

const called = (name) => [...room.participants.values()].find((one) => one.name === name);
/** What is said of a refusal, or nothing. */
const refusal = (asked) => asked.then(() => "", ({ code }) => code);

export const kick = ({ name, options }) => refusal(room.kick(called(name), options));
export const askMute = ({ name, source }) => {
  const participant = called(name);
  return refusal(room.askMute(participant, [...participant.tracks.values()].find((track) => track.source === source)));
};
export const lockRoom = ({ locked }) => refusal(room.lockRoom(locked));

/** All that was ever said, read back page by page; each page oldest first. */
export async function readBack({ limit }) {
  const pages = [];
  for (let before, more = true; more; ) {
    const page = await room.chatHistory({ before, limit });
    pages.push(page.messages.map(({ text, mine }) => ({ text, mine })));
    before = page.messages[0]?.id;
    more = page.more;
  }
  return pages;
}

export const leave = () => room.leave();

/** Send each of these texts over a data channel of that label. */
export async function sendData({ label, reliable, texts }) {
  const sender = await room.openData(label, { reliable });
  for (const text of texts) await sender.send(text);
}

/** Want one size of the only picture; null leaves it to the node. */
export function prefer(preference) {
  const [{ track }] = pictures.values();
  room.prefer(track, preference);
}

/** Count gaps and sizes of pictures anew from here on. */
export function mark() {
  for (const { seen } of pictures.values()) seen.mark();
  for (const known of gaps.values()) known.gap_ms = 0;
}

/** What is sent of a publication: one entry for each encoding, and what the node wants of it. */
export async function sent({ source }) {
  const publication = published.get(source);
  return { encodings: await room.statistics(publication), wanted: publication.wanted };
}

/** Counters of one received sound, from the browser's own statistics. */
async function heard(receiver) {
  const report = await receiver.getStats();
  const inbound = [...report.values()].find((entry) => entry.type === "inbound-rtp");
  return {
    packets: inbound?.packetsReceived ?? 0,
    bytes: inbound?.bytesReceived ?? 0,
    energy: inbound?.totalAudioEnergy ?? 0,
    samples: inbound?.totalSamplesReceived ?? 0,
    lost: inbound?.packetsLost ?? 0,
    concealed: (inbound?.concealedSamples ?? 0) - (inbound?.silentConcealedSamples ?? 0),
    codec: report.get(inbound?.codecId)?.mimeType.toLowerCase() ?? "",
  };
}

/**
 * `pictures`: per track source, codec, packets, the ids read from decoded frames, with counts, `join_to_first_ms` since join() was called,
 * `sizes` and `longest_gap_ms` since mark(); `gaps`: per picture id the longest time without it since mark(), whatever track it came on,
 * the present one included, and `silences` that one alone; `sounds`: per track the name of its `sender`, packets, bytes, packets lost, energy, samples, how many of them
 * were made up, and codec; `data`: what came over data channels; `removed`: tracks that went.
 */
export async function state() {
  const shown = {};
  for (const [id, { seen, track }] of pictures) {
    const delays = [...seen.delays].sort((a, b) => a - b);
    const counted = await room.statistics(track);
    shown[id] = {
      source: track.source,
      codec: counted?.codec ?? "",
      packets: counted?.packets ?? 0,
      right: seen.right,
      unreadable: seen.unreadable,
      sizes: seen.sizes,
      longest_gap_ms: seen.gap_ms,
      join_to_first_ms: seen.first_ms === null ? null : seen.started_ms + seen.first_ms,
      delay_ms_p50: delays.length ? delays[Math.floor(delays.length / 2)] : null,
    };
  }
  const audible = {};
  for (const [id, { receiver }] of sounds) {
    if (receiver) audible[id] = { sender: senders.get(id), ...(await heard(receiver)) };
  }
  return {
    state: room?.state,
    home: room?.home?.node ?? null,
    me: room?.me ?? null,
    moderates: room?.moderates ?? false,
    locked: room?.locked ?? false,
    taken,
    pictures: shown,
    gaps: Object.fromEntries([...gaps].map(([id, known]) => [id, longest(known, performance.now())])),
    silences: Object.fromEntries([...gaps].map(([id, { last }]) => [id, performance.now() - last])),
    sounds: audible,
    removed,
    people: room ? [...room.participants.values()].map(({ id, name, node }) => ({ id, name, node })) : [],
    events,
    chats,
    data,
  };
}

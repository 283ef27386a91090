// Drives the SDK in a page of the tests and keeps what was seen, in plain values.

import { Room } from "/sdk/starling.js";
import { paint, watch } from "/picture.js";

let room = null;
let joinStarted = 0;
const events = [];
const chats = [];
const pictures = new Map();
const sounds = new Map();

export async function join({ room: name, node, picture }) {
  joinStarted = performance.now();
  room = new Room({ room: name, name: picture === null ? "viewer" : `painter ${picture}`, node });
  for (const kind of ["participantjoined", "participantleft", "reconnecting", "resumed", "replaced", "closed", "trouble"]) {
    room.addEventListener(kind, ({ detail }) =>
      events.push({ kind, id: detail?.participant?.id, code: detail?.code, message: detail?.message }),
    );
  }
  room.addEventListener("chat", ({ detail }) => chats.push({ text: detail.text, mine: detail.mine }));
  room.addEventListener("trackadded", ({ detail: { participant, track } }) => {
    if (track.kind === "video") {
      const seen = watch(track.media);
      seen.started_ms = performance.now() - joinStarted;
      pictures.set(track.id, seen);
    } else {
      sounds.set(track.id, track.receiver);
      const audio = new Audio();
      audio.srcObject = new MediaStream([track.media]);
      audio.play().catch(() => {});
    }
  });
  await room.join();
  if (picture !== null) {
    await room.publish(paint(picture), { source: "camera" });
    const microphone = await navigator.mediaDevices.getUserMedia({ audio: true });
    await room.publish(microphone.getAudioTracks()[0], { source: "microphone" });
  }
}

export const say = (text) => room.chat(text);
export const leave = () => room.leave();

/** Counters of one received sound, from the browser's own statistics. */
async function heard(receiver) {
  const report = await receiver.getStats();
  const inbound = [...report.values()].find((entry) => entry.type === "inbound-rtp");
  return { packets: inbound?.packetsReceived ?? 0, energy: inbound?.totalAudioEnergy ?? 0 };
}

/**
 * `pictures`: per track the ids read from decoded frames, with counts, and `join_to_first_ms` since join() was
 * called; `sounds`: per track packets and energy; `candidates`: types of the local candidates in use.
 */
export async function state() {
  const shown = {};
  for (const [track, seen] of pictures) {
    const delays = [...seen.delays].sort((a, b) => a - b);
    shown[track] = {
      right: seen.right,
      unreadable: seen.unreadable,
      join_to_first_ms: seen.first_ms === null ? null : seen.started_ms + seen.first_ms,
      delay_ms_p50: delays.length ? delays[Math.floor(delays.length / 2)] : null,
    };
  }
  const audible = {};
  for (const [track, receiver] of sounds) {
    if (receiver) audible[track] = await heard(receiver);
  }
  return {
    state: room?.state,
    pictures: shown,
    sounds: audible,
    people: room ? [...room.participants.values()].map(({ id, name, node }) => ({ id, name, node })) : [],
    events,
    chats,
  };
}

/** The others in a room and what they send, kept equal to what the node tells. */

import { receivedOf } from "./statistics.js";

/** Ms between two looks at whether a refused track is sent again. */
const PACKET_INTERVAL = 1_000;

/** @typedef {import("./publication.js").MediaKind} MediaKind */
/** @typedef {import("./publication.js").Source} Source */
/**
 * @typedef {object} Track A track of somebody else.
 * @property {string} id
 * @property {MediaKind} kind
 * @property {Source} source
 * @property {boolean} muted
 * @property {MediaStreamTrack | null} media Null until the node sends it.
 * @property {RTCRtpReceiver | null} receiver
 * @property {Refusal | null} refused Why this browser does not get it; null when it does.
 */
/** @typedef {{codec: string, accepted: string[], message: string}} Refusal `message` is a sentence for people. */
/** @typedef {{id: string, participant: string, name: string, text: string, at: Date, mine: boolean}} ChatMessage */
/**
 * @typedef {object} Participant
 * @property {string} id
 * @property {string} name
 * @property {string} node
 * @property {string} region
 * @property {Map<string, Track>} tracks
 */

/** Who is there. Messages and media may come in any order: a receiver waits here for the news of its track. */
export class People {
  /** @type {Map<string, Participant>} */
  participants = new Map();
  /** Our own participant id, whom nobody hears of. @type {string | null} */
  me = null;
  /** Receivers that came before the news of their track. @type {Map<string, RTCRtpReceiver>} */
  #early = new Map();
  /** Timers of those whom a node did not list. @type {Map<string, any>} */
  #missing = new Map();
  #anybodySpeaks = false;
  #over = false;
  #emit;

  /** @param {(event: string, detail: object) => void} emit */
  constructor(emit) {
    this.#emit = emit;
  }

  /**
   * Be equal to what the node lists.
   * @param {any[]} listed @param {number} [patience] Ms for those who are missing: after a move the new node may still
   *   have to hear of people on others.
   */
  meet(listed, patience = 0) {
    const now = new Set(listed.map(({ participant }) => participant));
    for (const id of [...this.participants.keys()]) {
      if (now.has(id)) continue;
      if (patience) this.#missing.set(id, setTimeout(() => this.farewell(id, "left"), patience));
      else this.farewell(id, "left");
    }
    listed.forEach((info) => this.welcome(info));
  }

  welcome({ participant: id, name, node, region, tracks }) {
    if (id === this.me) return;
    this.#found(id);
    if (!this.participants.has(id)) {
      this.participants.set(id, { id, name, node, region, tracks: new Map() });
      this.#emit("participantjoined", { participant: this.participants.get(id) });
    }
    this.place({ participant: id, name, node, region });
    const participant = this.participants.get(id);
    const now = new Set(tracks.map(({ track }) => track));
    for (const track of [...participant.tracks.keys()]) {
      if (!now.has(track)) this.forget(id, track);
    }
    tracks.forEach((info) => this.learn(id, info));
  }

  /** Somebody goes on at another node, or under another name. */
  place({ participant: id, name, node, region }) {
    const participant = this.participants.get(id);
    if (!participant) return;
    const { name: oldName, node: oldNode, region: oldRegion } = participant;
    if (name === oldName && node === oldNode && region === oldRegion) return;
    Object.assign(participant, { name, node, region });
    this.#emit("participantchanged", { participant });
  }

  #found(id) {
    clearTimeout(this.#missing.get(id));
    this.#missing.delete(id);
  }

  farewell(id, reason) {
    this.#found(id);
    const participant = this.participants.get(id);
    if (!participant) return;
    for (const track of [...participant.tracks.keys()]) this.forget(id, track);
    this.participants.delete(id);
    this.#emit("participantleft", { participant, reason });
  }

  learn(id, { track: name, kind, source, muted }) {
    const participant = this.participants.get(id);
    if (!participant) return;
    if (participant.tracks.has(name)) {
      this.hush(id, name, muted);
      return;
    }
    const track = { id: name, kind, source, muted, media: null, receiver: null, refused: null };
    participant.tracks.set(name, track);
    const receiver = this.#early.get(name);
    this.#early.delete(name);
    if (muted) this.#emit("trackmuted", { participant, track });
    if (receiver) this.arrived(name, receiver);
  }

  hush(id, name, muted) {
    const participant = this.participants.get(id);
    const track = participant?.tracks.get(name);
    if (!track || track.muted === muted) return;
    track.muted = muted;
    this.#emit("trackmuted", { participant, track });
  }

  forget(id, name) {
    const participant = this.participants.get(id);
    const track = participant?.tracks.get(name);
    if (!track) return;
    participant.tracks.delete(name);
    this.#early.delete(name);
    this.#emit("trackremoved", { participant, track });
  }

  /** Media of a track is there. @param {string} name @param {RTCRtpReceiver} receiver */
  arrived(name, receiver) {
    for (const participant of this.participants.values()) {
      const track = participant.tracks.get(name);
      if (!track) continue;
      track.media = receiver.track;
      track.receiver = receiver;
      // Its first packet in a codec that we play.
      receiver.track.addEventListener?.("unmute", () => this.#restore(participant, track));
      this.#emit("trackadded", { participant, track });
      return;
    }
    this.#early.set(name, receiver);
  }

  /** This browser cannot play what the track is sent as. */
  refuse({ participant: id, track: name, codec, accepted, message }) {
    const participant = this.participants.get(id);
    const track = participant?.tracks.get(name);
    if (!track) return;
    const isNews = !track.refused;
    track.refused = { codec, accepted, message };
    this.#emit("trackrefused", { participant, track });
    if (isNews) this.#awaitPackets(participant, track);
  }

  /** A track that played before is never told "unmute": packets say that it plays again. */
  async #awaitPackets(participant, track) {
    for (let before = Infinity; !this.#over && track.refused && participant.tracks.get(track.id) === track; ) {
      await new Promise((resolve) => setTimeout(resolve, PACKET_INTERVAL));
      const packets = (await receivedOf(track).catch(() => null))?.packets ?? 0;
      if (packets > before) this.#restore(participant, track);
      before = packets;
    }
  }

  #restore(participant, track) {
    if (!track.refused) return;
    track.refused = null;
    this.#emit("trackrestored", { participant, track });
  }

  /** Somebody wrote, perhaps we. */
  wrote(message) {
    this.#emit("chat", this.written(message));
  }

  /** A chat message as pages know it. @returns {ChatMessage} */
  written({ message: id, participant, name, text, at_ms: at }) {
    return { id, participant, name, text, at: new Date(at), mine: participant === this.me };
  }

  /** Somebody sent us data. @param {import("./data.js").DataMessage} message */
  sent({ label, sender, payload, text }) {
    this.#emit("data", { label, sender, participant: this.participants.get(sender) ?? null, payload, text });
  }

  /** Who speaks, loudest first; ourselves included. */
  spoke(speakers) {
    const detail = speakers.map(({ participant, track, level_db: level }) => ({
      id: participant,
      participant: this.participants.get(participant) ?? null,
      mine: participant === this.me,
      track,
      level,
    }));
    this.#anybodySpeaks = detail.length > 0;
    this.#emit("speakers", { speakers: detail });
  }

  /** Nobody is heard any more, as the connection is gone: a new node tells only of those who speak. */
  quieten() {
    if (this.#anybodySpeaks) this.spoke([]);
  }

  /** Nothing is heard of anybody any more. */
  close() {
    this.#over = true;
    for (const id of [...this.#missing.keys()]) this.#found(id);
  }

  /** Tracks that we receive. @returns {string[]} */
  get received() {
    const tracks = [...this.participants.values()].flatMap((participant) => [...participant.tracks.values()]);
    return tracks.filter(({ media }) => media?.readyState === "live" && !media.muted).map(({ id }) => id);
  }

  /** The peer connection is gone: what came over it belongs to no track to come. */
  forgetReceivers() {
    this.#early.clear();
  }
}

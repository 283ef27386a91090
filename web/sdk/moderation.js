/** What the owner of a room and administrators decide about it and the people in it, and what everybody hears of that. */

import * as given from "./arguments.js";

/** @typedef {import("./people.js").Participant} Participant */
/** @typedef {import("./people.js").Track} Track */

/** Asks the node, which knows who may; and knows what the node said of the room. */
export class Moderation {
  /** Whether we may kick, ask to mute and lock. */
  moderates = false;
  /** Whether the room lets nobody more in. */
  locked = false;
  #ask;
  #emit;

  /**
   * @param {(topic: string, body: object) => Promise<any>} ask
   * @param {(event: string, detail: object) => void} emit
   */
  constructor(ask, emit) {
    this.#ask = ask;
    this.#emit = emit;
  }

  /** There is a seat; a node of an older version says nothing of this. */
  settle({ moderates = false, locked = false }) {
    this.moderates = moderates;
    this.locked = locked;
  }

  /** @param {Participant} participant @param {number | undefined} banSeconds */
  async kick(participant, banSeconds) {
    given.checkParticipant(participant);
    const ban = given.checkedBan(banSeconds);
    await this.#ask("kick", { participant: participant.id, ...ban });
  }

  /** @param {Participant} participant @param {Track} track */
  async askMute(participant, track) {
    given.checkParticipant(participant);
    given.checkTrack(track);
    await this.#ask("ask_mute", { participant: participant.id, track: track.id });
  }

  /** @param {boolean} locked */
  async lock(locked) {
    given.checkLocked(locked);
    await this.#ask("lock_room", { locked });
  }

  /** The room is defined otherwise from now on. */
  changed({ locked, metadata, moderates }) {
    this.locked = locked;
    // A node of an older version does not say; the next join does.
    this.moderates = moderates ?? this.moderates;
    this.#emit("roomchanged", { locked, metadata });
  }
}

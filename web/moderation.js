/** What whoever looks after a room can do from the page, and what the others are told of it. */

import { $, notice } from "./page.js";

/** Seconds for which somebody stays out. */
const BAN_TIME = 3_600;
/** Pixels between a button and its menu, and between the menu and the edge of the page. */
const GAP = 6;

/** How what is sent is called. */
const NAMES = { microphone: "microphone", camera: "camera", screen: "shared screen", screen_audio: "shared sound" };
const LOCKED = "The room is locked: nobody more is let in.";

/** @typedef {import("./sdk/starling.js").Room} Room */
/** @typedef {import("./sdk/starling.js").Participant} Participant */
/** @typedef {import("./sdk/starling.js").Publication} Publication */

/** The microphone of somebody who can be heard. @param {Participant} participant */
const voiceOf = ({ tracks }) => [...tracks.values()].find(({ source, muted }) => source === "microphone" && !muted);

/** The menu of each person, the lock of the room, and the line that asks us to mute. */
export class Moderation {
  /** @type {Room | null} */
  #room = null;
  /** Whom the menu is about. @type {Participant | null} */
  #chosen = null;
  /** What we are asked to mute. @type {Publication | null} */
  #asked = null;

  /** @param {(publication: Publication) => void} mute Silences or darkens what is ours. */
  constructor(mute) {
    $("person-mute").addEventListener("click", () => this.#decide((room, who) => this.#askMute(room, who)));
    $("person-kick").addEventListener("click", () => this.#decide((room, who) => this.#kick(room, who)));
    $("person-ban").addEventListener("click", () => this.#decide((room, who) => this.#ban(room, who)));
    $("lock").addEventListener("click", () => this.#toggleLock());
    $("asked-yes").addEventListener("click", () => {
      const publication = this.#asked;
      this.#forgetAsked();
      if (publication) mute(publication);
    });
    $("asked-no").addEventListener("click", () => this.#forgetAsked());
  }

  /** Show what is decided in a room. @param {Room} room */
  listen(room) {
    this.#room = room;
    const on = (name, act) => room.addEventListener(name, ({ detail }) => act(detail));
    on("statechange", () => this.#look());
    on("roomchanged", ({ locked }) => {
      const isNews = $("lock").dataset.locked !== String(locked);
      this.#look();
      if (isNews) notice(locked ? LOCKED : "The room is open again.");
    });
    on("muteasked", ({ publication, by }) => this.#beAsked(publication, by));
    on("participantleft", ({ participant }) => participant.id === this.#chosen?.id && $("person-menu").hidePopover());
  }

  /** Open the menu of somebody, at the button that was pressed. @param {Participant} participant @param {HTMLElement} button */
  choose(participant, button) {
    const menu = $("person-menu");
    this.#chosen = participant;
    $("person-name").textContent = participant.name;
    $("person-mute").disabled = !voiceOf(participant);
    menu.showPopover();
    const { left, bottom } = button.getBoundingClientRect();
    const least = (wanted, room, size) => Math.max(GAP, Math.min(wanted, room - size - GAP));
    menu.style.left = `${least(left, innerWidth, menu.offsetWidth)}px`;
    menu.style.top = `${least(bottom + GAP, innerHeight, menu.offsetHeight)}px`;
    menu.querySelector("button:enabled").focus();
  }

  /** The call is over. */
  close() {
    this.#room = null;
    this.#forgetAsked();
    $("person-menu").hidePopover();
  }

  // --- what we decide --------------------------------------------------------------------------------------------

  /** Carry out what was chosen, and say what became of it. @param {(room: Room, who: Participant) => Promise<string>} act */
  async #decide(act) {
    const [room, who] = [this.#room, this.#chosen];
    $("person-menu").hidePopover();
    if (room && who) notice(await act(room, who).catch(({ message }) => message));
  }

  async #askMute(room, who) {
    const voice = voiceOf(who);
    if (!voice) return `${who.name} is silent already.`;
    await room.askMute(who, voice);
    return `${who.name} is asked to mute. It is up to them.`;
  }

  async #kick(room, who) {
    await room.kick(who);
    return `${who.name} was removed, and may come again.`;
  }

  async #ban(room, who) {
    await room.kick(who, { banSeconds: BAN_TIME });
    return `${who.name} was removed, and stays out for an hour.`;
  }

  async #toggleLock() {
    const room = this.#room;
    if (room?.moderates) await room.lockRoom(!room.locked).catch(({ message }) => notice(message));
  }

  // --- what is decided about us ----------------------------------------------------------------------------------

  /** Show the lock to everybody, to be turned by those who may. */
  #look() {
    if (!this.#room) return;
    const { locked, moderates } = this.#room;
    const lock = $("lock");
    lock.hidden = !locked && !moderates;
    lock.disabled = !moderates;
    lock.dataset.locked = String(locked);
    lock.setAttribute("aria-pressed", String(locked));
    lock.title = moderates ? (locked ? "Let people in again" : "Let nobody more in") : LOCKED;
    lock.querySelector("use").setAttribute("href", locked ? "#lock-icon" : "#unlock-icon");
    $("grid").classList.toggle("moderated", moderates);
  }

  #beAsked(publication, by) {
    if (publication.muted) return;
    this.#asked = publication;
    $("asked-text").textContent = `${by?.name ?? "Whoever looks after this room"} asks you to mute your ${NAMES[publication.source]}.`;
    $("asked").hidden = false;
  }

  #forgetAsked() {
    this.#asked = null;
    $("asked").hidden = true;
  }
}

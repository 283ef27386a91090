/**
 * Starling in the browser: find the nearest node, take a seat in a room, send and receive tracks.
 *
 *     import { Room } from "/sdk/starling.js";
 *     const room = new Room({ room: "lobby", name: "Ada" });
 *     room.addEventListener("trackadded", ({ detail: { track } }) => room.attach(track, elementFor(track)));
 *     await room.join();
 *     await room.publish(cameraTrack, { source: "camera" });
 *
 * Theory of operation. `GET /v1/nodes` names candidates; the first few are measured by pings on WebSockets that say
 * nothing else, and again when the network changes. `POST /v1/sessions` gives a token, which is the first message on the
 * WebSocket to the chosen node. Two peer connections carry media: the publisher, where this side offers, and the
 * subscriber, where the node offers, so offers never cross. When the WebSocket breaks, the same device joins again with a
 * higher attempt, and the room notices nothing if that is soon enough. A seat that a newer join took is not fought for.
 *
 * A camera is sent in three sizes, of which nodes forward to each the one that suits and tell us to stop the ones nobody
 * watches. What is shown by `attach` says by itself how large it is shown.
 *
 * Every wait has a deadline. Errors are `StarlingError`s with a stable `code` and a sentence for people.
 */

import * as given from "./arguments.js";
import { Chat } from "./chat.js";
import { Connection } from "./connection.js";
import { Door } from "./door.js";
import { StarlingError, told } from "./errors.js";
import { Handover } from "./handover.js";
import { Moderation } from "./moderation.js";
import { Outgoing } from "./outgoing.js";
import { Subscriber } from "./peers.js";
import { People } from "./people.js";
import { Preferences } from "./preferences.js";
import { Publication } from "./publication.js";
import { receivedOf, sentOf } from "./statistics.js";

export { findNodes, probe } from "./prober.js";
export { Publication, StarlingError };

/** @typedef {import("./nodes.js").Candidate} Candidate */
/** @typedef {import("./publication.js").Source} Source */
/** @typedef {import("./encodings.js").PublishOptions} PublishOptions */
/** @typedef {import("./preferences.js").Preference} Preference */
/** @typedef {import("./transform.js").Transforms} Transforms */
/** @typedef {import("./people.js").Track} Track */
/** @typedef {import("./data.js").DataSender} DataSender */
/** @typedef {import("./people.js").Participant} Participant */
/** @typedef {import("./people.js").ChatMessage} ChatMessage */
/** @typedef {import("./connection.js").State} State */
/** Ms for people whom the node that we were moved to does not know yet: it hears of them within a round trip. */
const MISSING_PATIENCE = 4_000;

/**
 * A seat in a room.
 *
 * Events (each a CustomEvent, `detail` in braces):
 * - `statechange` {state}: one of `State`;
 * - `participantjoined`, `participantleft` {participant, reason?};
 * - `participantchanged` {participant}: `participant.node`, `region` or `name` is another one; they never left;
 * - `trackadded` {participant, track}: `track.media` is there to be shown; comes again with new media after a rejoin;
 * - `trackremoved` {participant, track};
 * - `trackmuted` {participant, track}: `track.muted` changed, or is true from the start;
 * - `trackrefused` {participant, track}: this browser cannot play it; `track.refused.message` says why. `trackrestored`
 *   {participant, track}: now it can;
 * - `layers` {publication}: `publication.wanted` changed, which is what is watched of it;
 * - `speakers` {speakers: [{id, participant, mine, track, level}]}: who speaks, loudest first; `level` in dB, 0 the loudest;
 * - `data` {label, participant, sender, payload, text}: somebody sent this to a data channel;
 * - `chat` {id, participant, name, text, at: Date, mine}, each message once; `chatgap` {}: more was said meanwhile than the
 *   node still knows or sends;
 * - `muteasked` {publication, by: participant or null}: who moderates asks us to mute it; it is up to us, by `mute`;
 * - `roomchanged` {locked, metadata}: the room is defined otherwise from now on, and `moderates` may say another thing;
 * - `reconnecting` {code}, `resumed` {}: the connection broke, and is back;
 * - `moved` {reason, home}: another node carries us now, as ours is about to go (`node_drained`) or as we measured that it is
 *   `nearer`; nobody saw us leave;
 * - `trouble` {code, message}: our tracks did not get through after a (re)connection; the seat stays;
 * - `disconnected` {code}: the connection did not come back in time, and is not tried for any more;
 * - `replaced` {}: a newer join holds the seat; this object is done;
 * - `closed` {code, message}: it is over; nothing follows.
 */
export class Room extends EventTarget {
  #subscriber = null;
  /** @type {string[]} */
  #degraded = [];
  /** @type {Handover | null} */
  #handover = null;
  /** @type {Door} */
  #door;
  /** @type {Outgoing} */
  #outgoing;
  #people = new People((name, detail) => this.#emit(name, detail));
  #chat = new Chat((message) => this.#people.wrote(message));
  #moderation = new Moderation((topic, body) => this.#request(topic, body), (name, detail) => this.#emit(name, detail));
  #preferences = new Preferences((tracks) => this.#connection.request("prefer", { tracks }));
  /** @type {Connection} */
  #connection;

  /**
   * @param {object} options
   * @param {string} options.room Name of the room.
   * @param {string} options.name What others are to call you.
   * @param {string} [options.base] URL of any node; the page's own by default.
   * @param {string} [options.node] URL of the node to use, instead of the nearest.
   * @param {boolean} [options.insist] Stay at `base`, or at `node`, however far it is.
   * @param {string} [options.userToken] Who you are; a guest has none.
   * @param {string} [options.invitation] What lets you into a room that takes no others.
   * @param {string} [options.pin] Likewise, of a room with a PIN.
   * @param {Transforms} [options.transform] Sees every encoded frame, such as to encrypt it from end to end.
   * @throws {StarlingError} `argument_invalid`, `transform_unsupported`
   */
  constructor({ room, name, base = location.origin, node = null, insist = false, userToken = null, invitation = null, pin = null, transform = null }) {
    super();
    given.checkRoom({ room, name, base, node, insist, invitation, pin });
    this.room = room;
    this.name = name;
    this.#door = new Door({ room, name, base, node, insist, userToken, invitation, pin });
    this.#door.seenChats = () => this.#chat.seen;
    this.#outgoing = new Outgoing(transform, (error) => this.#trouble(error));
    this.addEventListener("trackremoved", ({ detail }) => {
      this.#preferences.forget(detail.track.id);
      this.#handover?.forget(detail.track.id);
    });
    this.#connection = new Connection(this.#door, {
      settle: (signal, joined) => this.#settle(signal, joined),
      move: (signal, joined, former) => this.#move(signal, joined, former),
      hangUp: () => this.#hangUp(),
      heard: (message) => this.#heard(message),
      close: (why) => this.#close(why),
      emit: (event, detail) => this.#emit(event, detail),
    });
  }

  /** Where we are: `{node, region, url}` once connected. */
  get home() {
    return this.#connection.home;
  }

  /** @returns {State} */
  get state() {
    return this.#connection.state;
  }

  /** Nodes as measured, best first. @returns {Candidate[]} */
  get candidates() {
    return this.#door.candidates;
  }

  /** The others. @returns {Map<string, Participant>} */
  get participants() {
    return this.#people.participants;
  }

  /** Our own participant id. @returns {string | null} */
  get me() {
    return this.#people.me;
  }

  /** Whether we may kick, ask to mute and lock: as the owner of the room, or by a grant of our token. */
  get moderates() {
    return this.#moderation.moderates;
  }

  /** Whether the room lets nobody more in. */
  get locked() {
    return this.#moderation.locked;
  }

  /** Round trip to the node in ms, the best of the last few pings. @returns {number | null} */
  get rtt() {
    return this.#connection.signal?.rtt ?? null;
  }

  /**
   * What the node could not check when we came, or came back: it judges `bans`, `caps`, the `order` of a person's devices,
   * the room's `definition` or `access` to it by itself until its store is back. Empty when it could. @returns {string[]}
   */
  get degraded() {
    return [...this.#degraded];
  }

  /** Our tracks. */
  get publications() {
    return [...this.#outgoing.publications];
  }

  /**
   * Find the nearest node and take a seat. Tracks may be published before or after.
   * @throws {StarlingError} and the room is closed.
   */
  async join() {
    await this.#connection.join();
    return this;
  }

  /**
   * Send a track to the room. Where the connection breaks meanwhile, it is sent once there is one again.
   * @param {MediaStreamTrack} media
   * @param {{source?: Source, muted?: boolean} & PublishOptions} [options]
   * @returns {Promise<Publication>}
   * @throws {StarlingError} `argument_invalid`, or the room is over or the node refused it; it is not published.
   */
  async publish(media, options = {}) {
    this.#beOpen();
    const { source, muted, ...how } = given.checkedPublishing(media, options);
    return this.#outgoing.publish(media, source, muted, how);
  }

  /** @param {Publication} publication */
  unpublish(publication) {
    return this.#outgoing.unpublish(publication);
  }

  /** Be silent or dark, and say so. @param {Publication} publication @param {boolean} muted */
  async mute(publication, muted) {
    given.checkMuted(muted);
    return this.#outgoing.mute(publication, muted);
  }

  /**
   * Say something to the room; it comes back as a `chat` event. While the connection is broken it waits, and is sent once
   * there is one again, in order and once.
   * @param {string} text
   * @throws {StarlingError} `argument_invalid`, `not_in_room`, `queue_full`, or why the room was over before it was sent
   */
  async chat(text) {
    given.checkChat(text);
    if (this.state === "idle") throw new StarlingError("not_in_room", "There is no connection yet. Join first.");
    this.#beOpen();
    return this.#chat.send(text);
  }

  /**
   * Read what was said: the newest messages, or those before one.
   * @param {{before?: string, limit?: number}} [page] `before` is the id of a message, `limit` 1 to 100
   * @returns {Promise<{messages: ChatMessage[], more: boolean}>} oldest first; `more` says that there is older still
   * @throws {StarlingError} `argument_invalid`, `not_in_room`, `store_unavailable`; `protocol_unsupported` of an older node
   */
  async chatHistory(page = {}) {
    const asked = given.checkedPage(page);
    this.#beOpen();
    if (this.state === "connected" && !this.#connection.features.includes("chat_history")) {
      throw new StarlingError("protocol_unsupported", "This node is of an older version and shows no chat of before.");
    }
    const { messages, more } = await this.#request("chat_history", asked);
    return { messages: messages.map((message) => this.#people.written(message)), more };
  }

  /**
   * Put somebody out, who hears `closed` with `kicked`; for those who moderate.
   * @param {Participant} participant @param {{banSeconds?: number}} [options] They stay out for so long
   * @throws {StarlingError} `argument_invalid`, `not_permitted`, `participant_unknown`, `store_unavailable`, ...
   */
  async kick(participant, { banSeconds } = {}) {
    await this.#moderation.kick(participant, banSeconds);
  }

  /**
   * Ask somebody to mute a track, who hears `muteasked` and decides; for those who moderate.
   * @param {Participant} participant @param {Track} track
   * @throws {StarlingError} `argument_invalid`, `not_permitted`, `participant_unknown`, `track_unknown`, ...
   */
  async askMute(participant, track) {
    await this.#moderation.askMute(participant, track);
  }

  /**
   * Let nobody more in, or let people in again; everybody hears `roomchanged`. For those who moderate.
   * @param {boolean} locked
   * @throws {StarlingError} `argument_invalid`, `not_permitted`, `store_unavailable`, ...
   */
  async lockRoom(locked) {
    await this.#moderation.lock(locked);
  }

  /**
   * Show a track of somebody else in an element, whose size and visibility say from now on what is sent of it.
   * @param {Track} track @param {HTMLMediaElement} element @param {{priority?: number}} [options] 0 to 255, 128 normal
   */
  attach(track, element, { priority } = {}) {
    const rank = given.checkedPlace(track, element, priority);
    if (element.srcObject?.getTracks()[0] !== track.media) element.srcObject = track.media && new MediaStream([track.media]);
    if (track.kind === "video") this.#preferences.show(track.id, element, rank);
  }

  /** Show nothing in that element any more. @param {HTMLMediaElement} element */
  detach(element) {
    element.srcObject = null;
    this.#preferences.hide(element);
  }

  /**
   * Say by hand what is to be sent of a track; null leaves it to `attach` again.
   * @param {Track} track @param {Preference | null} preference
   * @throws {StarlingError} `argument_invalid`
   */
  prefer(track, preference) {
    this.#preferences.choose(track?.id, given.checkedPreference(track, preference));
  }

  /**
   * Open a data channel to everybody else in the room; theirs arrive as `data` events without any opening.
   * @param {string} label
   * @param {{reliable?: boolean}} [options] Not reliable means: late is worse than lost, and order does not matter.
   * @returns {Promise<DataSender>} once it is open
   * @throws {StarlingError}
   */
  async openData(label, { reliable = true } = {}) {
    this.#beOpen();
    return this.#outgoing.openData(label, reliable);
  }

  /** @param {DataSender} sender */
  closeData(sender) {
    this.#outgoing.closeData(sender);
  }

  /** What the browser counts of a publication (one entry for each encoding) or of a track of somebody else. */
  async statistics(of) {
    return of instanceof Publication ? sentOf(of) : receivedOf(of);
  }

  /** Give the seat back and hang up. Never throws. */
  async leave() {
    await this.#connection.leave();
  }

  // --- on the connection -----------------------------------------------------------------------------------------

  #settle(signal, joined, patience = 0) {
    this.#people.me = joined.participant;
    this.#moderation.settle(joined);
    this.#degraded = joined.degraded_reasons ?? [];
    this.#openPeers(signal);
    this.#people.meet(joined.participants, patience);
    this.#preferences.restate();
    if (joined.missed_more) this.#emit("chatgap", {});
    this.#chat.settle(signal, joined.missed);
  }

  /** Go over to another node: the former connection carries on until the new one does. */
  #move(signal, joined, former) {
    this.#handover?.end();
    const [subscriber, publisher] = [this.#subscriber, this.#outgoing.letGo()];
    this.#handover = new Handover(this.#people.received, () => this.#outgoing.carries, () => {
      subscriber?.close();
      publisher?.close();
      former.close();
    });
    this.#settle(signal, joined, MISSING_PATIENCE);
  }

  #openPeers(signal) {
    const failed = () => this.#connection.failed(signal);
    const handover = this.#handover;
    const arrived = (track, receiver) => {
      if (handover) handover.arrived(track, receiver, () => this.#people.arrived(track, receiver));
      else this.#people.arrived(track, receiver);
    };
    this.#subscriber = new Subscriber(signal, failed, arrived, (message) => this.#people.sent(message), this.#outgoing.transform);
    this.#outgoing.begin(signal, failed);
  }

  #closePeers() {
    this.#outgoing.end();
    this.#subscriber?.close();
    this.#subscriber = null;
    this.#people.forgetReceivers();
  }

  #hangUp() {
    this.#handover?.end();
    this.#handover = null;
    this.#chat.hangUp();
    this.#closePeers();
    this.#people.quieten();
  }

  #close(why) {
    this.#chat.close(why);
    this.#preferences.close();
    this.#people.close();
    this.#outgoing.close();
  }

  #trouble(error) {
    const { code, message } = told(error);
    this.#emit("trouble", { code, message });
  }

  // --- what the node says ----------------------------------------------------------------------------------------

  #heard(message) {
    const { participant, track } = message;
    switch (message.topic) {
      case "participant_joined":
        return this.#people.welcome(participant);
      case "participant_changed":
        return this.#people.place(message);
      case "participant_left":
        return this.#people.farewell(participant, message.reason);
      case "track_published":
        return this.#people.learn(participant, track);
      case "track_unpublished":
        return this.#people.forget(participant, track);
      case "track_muted":
        return this.#people.hush(participant, track, message.muted);
      case "mute_asked":
        return this.#beAskedToMute(message);
      case "room_changed":
        return this.#moderation.changed(message);
      case "chat":
        return this.#chat.hear(message);
      case "offer":
        return this.#subscriber?.take(message);
      case "layers":
        return this.#outgoing.obey(message, (publication) => this.#emit("layers", { publication }));
      case "codecs":
        return this.#outgoing.restrict(message);
      case "second_wanted":
        return this.#outgoing.double(message);
      case "speakers":
        return this.#people.spoke(message.speakers);
      case "track_refused":
        return this.#people.refuse(message);
      case "restart":
        this.#closePeers();
        return this.#openPeers(this.#connection.signal);
      default:
        return undefined; // a newer node may say more
    }
  }

  #beAskedToMute({ track, by }) {
    const publication = this.publications.find(({ id }) => id === track);
    if (publication) this.#emit("muteasked", { publication, by: this.#people.participants.get(by) ?? null });
  }

  async #request(topic, body) {
    this.#beOpen();
    return this.#connection.request(topic, body);
  }

  #beOpen() {
    if (this.state === "closed") throw new StarlingError("not_in_room", "This room is over. Make a new Room to join again.");
  }

  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

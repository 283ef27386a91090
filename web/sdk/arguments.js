/**
 * What a page hands to the SDK, judged at the call: a node ends the connection of whoever says what it does not know,
 * which would punish a slip of one line by the loss of the whole call.
 */

import { StarlingError } from "./errors.js";
import { MAX_PIXELS, MAX_PRIORITY } from "./preferences.js";

/** @typedef {import("./preferences.js").Preference} Preference */
/** @typedef {import("./encodings.js").PublishOptions} PublishOptions */
/** @typedef {import("./publication.js").Source} Source */

const SOURCES = ["microphone", "camera", "screen", "screen_audio"];
const CODECS = ["vp8", "vp9", "h264", "av1"];
/** The codecs that have several sizes in one stream. */
const LAYERED_CODECS = ["vp9", "av1"];
const HINTS = ["motion", "detail", "text"];
const SWITCHES = ["simulcast", "svc", "red", "fec", "dtx"];
/** WebRTC's own type for `maxBitrate`: an unsigned long. */
const MAX_BITRATE = 2 ** 32 - 1;
/** Characters; a node takes no more. */
const MAX_CHAT_CHARACTERS = 2_000;
const MAX_MESSAGE_ID = 64;
/** Messages of a room's history in one answer. */
const MAX_CHAT_PAGE = 100;
/** A century; who means for ever bans by REST, without a time. */
const MAX_BAN_SECONDS = 100 * 366 * 86_400;

/** @param {string} sentence @returns {never} */
function refuse(sentence) {
  throw new StarlingError("argument_invalid", sentence);
}

/** What was given, short enough for a sentence. */
function shown(value) {
  if (typeof value === "string") return `"${value.length > 40 ? `${value.slice(0, 40)}…` : value}"`;
  return typeof value === "object" && value !== null ? "an object" : String(value);
}

function oneOf(name, value, known) {
  if (!known.includes(value)) refuse(`${name} is one of ${known.join(", ")}, not ${shown(value)}.`);
}

/** A whole number, rounded if need be. */
function whole(name, value, least, most) {
  const rounded = typeof value === "number" ? Math.round(value) : NaN;
  if (!(rounded >= least && rounded <= most)) refuse(`${name} is a number from ${least} to ${most}, not ${shown(value)}.`);
  return rounded;
}

function flag(name, value) {
  if (typeof value !== "boolean") refuse(`${name} is true or false, not ${shown(value)}.`);
}

/** Only what is given is judged: everything has a default. */
const given = (value) => value !== undefined;

function checkText(value, name) {
  if (typeof value !== "string" || !value) refuse(`${name} is text, not ${shown(value)}.`);
}

function checkUrl(value, name) {
  const protocol = typeof value === "string" && URL.canParse(value) ? new URL(value).protocol : "";
  if (protocol !== "https:" && protocol !== "http:") {
    refuse(`${name} is the whole URL of a node, from http on, not ${shown(value)}.`);
  }
}

/** @param {Record<string, any>} who What a room is made of; without a `node` the nearest is taken. */
export function checkRoom({ room, name, base, node, insist, invitation, pin }) {
  checkText(room, "room");
  checkText(name, "name");
  checkUrl(base, "base");
  if (node !== null) checkUrl(node, "node");
  flag("insist", insist);
  if (invitation !== null) checkText(invitation, "invitation");
  if (pin !== null) checkText(pin, "pin");
}

/** @param {any} text */
export function checkChat(text) {
  checkText(text, "A chat message");
  const { length } = [...text];
  if (length > MAX_CHAT_CHARACTERS) refuse(`A chat message has at most ${MAX_CHAT_CHARACTERS} characters, not ${length}.`);
}

/**
 * Which messages of the history are asked for.
 * @param {any} page @returns {{before?: string, limit: number}}
 */
export function checkedPage(page) {
  if (typeof page !== "object" || page === null) refuse(`What to read of the chat is an object, not ${shown(page)}.`);
  const { before, limit = MAX_CHAT_PAGE / 2 } = page;
  if (given(before)) {
    checkText(before, "before");
    if ([...before].length > MAX_MESSAGE_ID) refuse(`before is the id of a chat message, not ${shown(before)}.`);
  }
  return { ...(given(before) && { before }), limit: whole("limit", limit, 1, MAX_CHAT_PAGE) };
}

/** @param {any} muted */
export const checkMuted = (muted) => flag("muted", muted);

/** @param {any} locked */
export const checkLocked = (locked) => flag("locked", locked);

/** Somebody else. @param {any} participant */
export function checkParticipant(participant) {
  if (typeof participant?.id !== "string" || !participant.id) {
    refuse(`A participant is one of room.participants, not ${shown(participant)}.`);
  }
}

/** For how long somebody stays out; nothing: not at all. @param {any} seconds @returns {{ban_s?: number}} */
export function checkedBan(seconds) {
  if (!given(seconds)) return {};
  if (!(typeof seconds === "number" && seconds > 0 && seconds <= MAX_BAN_SECONDS)) {
    refuse(`banSeconds is a number above 0, not ${shown(seconds)}.`);
  }
  return { ban_s: seconds };
}

/** A track of somebody else. @param {any} track */
export function checkTrack(track) {
  if (typeof track?.id !== "string" || typeof track.kind !== "string") {
    refuse(`A track is what the trackadded event brings, not ${shown(track)}.`);
  }
}

/** Where a track is to be shown. @param {any} track @param {any} element @param {any} priority @returns {number | undefined} the priority */
export function checkedPlace(track, element, priority) {
  checkTrack(track);
  if (typeof element !== "object" || element === null) refuse(`The place to show it is a media element, not ${shown(element)}.`);
  return checkedPriority(priority);
}

/**
 * @param {any} media @param {any} options
 * @returns {{source: Source, muted: boolean} & PublishOptions} with a whole bitrate
 */
export function checkedPublishing(media, options) {
  if (media?.kind !== "audio" && media?.kind !== "video") {
    refuse(`What is published is a MediaStreamTrack, as getUserMedia gives it, not ${shown(media)}.`);
  }
  if (typeof options !== "object" || options === null) refuse(`Options are an object, not ${shown(options)}.`);
  const usual = media.kind === "audio" ? "microphone" : "camera";
  const { source = usual, muted = false, codec, svc, hint, maxBitrate } = options;
  oneOf("source", source, SOURCES);
  checkMuted(muted);
  if (given(codec)) oneOf("codec", codec, CODECS);
  if (given(hint)) oneOf("hint", hint, HINTS);
  for (const name of SWITCHES) if (given(options[name])) flag(name, options[name]);
  if (svc && given(codec)) oneOf("codec with svc", codec, LAYERED_CODECS);
  const bits = given(maxBitrate) && { maxBitrate: whole("maxBitrate", maxBitrate, 1, MAX_BITRATE) };
  return { ...options, source, muted, ...bits };
}

const checkedPriority = (priority) => (given(priority) ? whole("priority", priority, 0, MAX_PRIORITY) : undefined);

/** @param {any} track @param {any} preference @returns {Preference | null} in whole pixels */
export function checkedPreference(track, preference) {
  checkTrack(track);
  if (preference === null) return null;
  if (typeof preference !== "object") refuse(`A preference is an object or null, not ${shown(preference)}.`);
  const { width = 0, height = 0, priority, paused = false } = preference;
  flag("paused", paused);
  return {
    width: whole("width", width, 0, MAX_PIXELS),
    height: whole("height", height, 0, MAX_PIXELS),
    priority: checkedPriority(priority),
    paused,
  };
}

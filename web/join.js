/** The join page: name and room, a look in the mirror, the call, and what is said when it is over. */

import { Room } from "./sdk/starling.js";
import { Gallery } from "./gallery.js";
import { capture, captureScreen, fillPicker, Meter } from "./media.js";
import { Moderation } from "./moderation.js";
import { $, notice, show } from "./page.js";
import { Talk } from "./talk.js";

const LEVEL_INTERVAL = 150;
const REFRESH_INTERVAL = 1_000;
const NAME_KEY = "starling.name";

/** What is said of a field that cannot be sent. */
const WANTED = {
  name: "Say what the others are to call you.",
  "room-name": "A room's name starts with a letter or a digit; letters, digits, dots, hyphens and underscores may follow.",
};

/** What we capture; `wanted` is what the person chose, also while there is no track. */
const mine = {
  audio: { track: null, wanted: true, publication: null },
  video: { track: null, wanted: true, publication: null },
};
const BUTTONS = { audio: ["preview-mic", "call-mic", "mic", "microphone"], video: ["preview-camera", "call-camera", "camera", "camera"] };
const meter = new Meter();

/** @type {Room | null} */
let room = null;
/** Who we are, where the link said so. @type {string | null} */
const userToken = takeToken();
const talk = new Talk();
const moderation = new Moderation(silence);
const gallery = new Gallery($("grid"), {
  blocked: () => notice("Click anywhere to hear the others."),
  choose: (participant, button) => moderation.choose(participant, button),
});
/** What we share of our screen: the publications of its picture and, perhaps, its sound. */
let shared = [];
/** Whether the browser is asking what to share. */
let choosing = false;

/* --- before the call --- */

async function start() {
  const asked = new URLSearchParams(location.search);
  $("name").value = asked.get("name") ?? readName();
  $("room-name").value = asked.get("room") ?? "";
  ($("name").value ? ($("room-name").value ? $("join") : $("room-name")) : $("name")).focus();
  $("join-form").addEventListener("submit", (event) => {
    event.preventDefault();
    join();
  });
  for (const id of Object.keys(WANTED)) {
    $(id).addEventListener("input", () => judge(id));
    judge(id);
  }
  for (const kind of ["audio", "video"]) {
    for (const id of BUTTONS[kind].slice(0, 2)) $(id).addEventListener("click", () => toggle(kind));
  }
  $("camera-picker").addEventListener("change", ({ target }) => recapture("video", target.value));
  $("mic-picker").addEventListener("change", ({ target }) => recapture("audio", target.value));
  wireCall();
  setInterval(showLevels, LEVEL_INTERVAL);
  await openMedia();
  navigator.mediaDevices?.addEventListener?.("devicechange", fillPickers);
}

/** Have the browser hold back what a node would refuse, with a sentence of ours. */
function judge(id) {
  const field = $(id);
  field.setCustomValidity("");
  if (!field.value.trim() || field.validity.patternMismatch) field.setCustomValidity(WANTED[id]);
}

async function openMedia() {
  // One after the other: a browser asks about one thing at a time, and one may be refused.
  const results = { audio: await recapture("audio"), video: await recapture("video") };
  const missing = Object.entries(results).filter(([, { track }]) => !track);
  if (missing.length === 2) {
    show("media-note", `No camera, no microphone: ${results.video.problem} You can still join, watch and write.`);
  } else if (missing.length === 1) {
    const [kind, { problem }] = missing[0];
    const named = kind === "video" ? "camera" : "microphone";
    show("media-note", `No ${named}: ${problem}`);
  }
  await fillPickers();
}

/** Capture again, from another device or for the first time. */
async function recapture(kind, device) {
  const held = mine[kind];
  const result = await capture(kind, device);
  if (result.track) {
    held.track?.stop();
    held.track = result.track;
    held.track.enabled = held.wanted;
    held.track.addEventListener("ended", () => held.track === result.track && lose(kind));
    if (kind === "audio") meter.listen(result.track);
    if (held.publication) await held.publication.replace(result.track);
    else await publish(kind);
  }
  showOwn();
  return result;
}

async function fillPickers() {
  await fillPicker($("camera-picker"), "videoinput", mine.video.track);
  await fillPicker($("mic-picker"), "audioinput", mine.audio.track);
}

function lose(kind) {
  mine[kind].track = null;
  showOwn();
  notice(`The ${BUTTONS[kind][3]} is gone. Plug it in again, or go on without.`);
}

/** Microphone or camera on and off; a camera that is off is let go, so that its light goes out. */
async function toggle(kind) {
  const held = mine[kind];
  held.wanted = !held.wanted;
  if (kind === "video" && !held.wanted) held.track?.stop();
  if (held.track) held.track.enabled = held.wanted;
  showOwn();
  if (kind === "video" && held.wanted) await recapture("video", $("camera-picker").value || undefined);
  if (held.publication && room) await room.mute(held.publication, !held.wanted).catch((error) => notice(error.message));
}

/** Mute what we are asked to; a shared screen ends. */
function silence(publication) {
  const kind = Object.keys(mine).find((one) => mine[one].publication === publication);
  if (kind) return mine[kind].wanted && toggle(kind);
  return publication.kind === "video" ? stopSharing() : room?.mute(publication, true).catch((error) => notice(error.message));
}

function showOwn() {
  for (const [kind, held] of Object.entries(mine)) {
    const on = held.wanted && Boolean(held.track);
    const [preview, call, symbol, named] = BUTTONS[kind];
    for (const id of [preview, call]) {
      const button = $(id);
      button.disabled = !held.track;
      button.classList.toggle("off", Boolean(held.track) && !on);
      button.setAttribute("aria-pressed", String(on));
      button.title = `Turn ${named} ${on ? "off" : "on"}`;
      button.querySelector("use").setAttribute("href", `#${on ? symbol : `${symbol}-off`}`);
    }
  }
  const { track, wanted } = mine.video;
  const picture = track && wanted ? track : null;
  const video = $("preview-video");
  if (video.srcObject?.getTracks()[0] !== picture) video.srcObject = picture && new MediaStream([picture]);
  video.hidden = !picture;
  show("preview-note", picture ? "" : track ? "Your camera is off." : "No camera. Others will see your initials.");
  const { own } = gallery;
  own?.picture(picture);
  if (own) own.silenced = !(mine.audio.track && mine.audio.wanted);
}

/* --- the call --- */

async function join() {
  const name = $("name").value.trim();
  const roomName = $("room-name").value.trim();
  if (!name || !roomName) return;
  keepName(name);
  meter.wake();
  show("join-error", "");
  $("join").disabled = true;
  $("join").textContent = "Finding the nearest node…";
  const invitation = new URLSearchParams(location.search).get("invitation") || null;
  room = new Room({ room: roomName, name, userToken, invitation, pin: $("pin").value.trim() || null });
  listen(room);
  for (const kind of ["audio", "video"]) await publish(kind);
  try {
    await room.join();
    enter(name, roomName);
  } catch (error) {
    room = null;
    forgetPublications();
    show("join-error", error.message);
    if (error.code.startsWith("pin_")) {
      $("pin-row").hidden = false;
      $("pin").select();
    }
  } finally {
    $("join").disabled = false;
    $("join").textContent = "Join";
  }
}

async function publish(kind) {
  const held = mine[kind];
  if (!room || !held.track || held.publication) return;
  try {
    held.publication = await room.publish(held.track, { muted: !held.wanted });
  } catch (error) {
    notice(error.message);
  }
}

function forgetPublications() {
  for (const held of Object.values(mine)) held.publication = null;
  for (const publication of shared) publication.media.stop();
  shared = [];
  showShared();
}

/** Share the screen, or no longer. */
async function toggleScreen() {
  if (shared.length) return stopSharing();
  if (choosing) return undefined; // the browser is asking already
  const call = room;
  choosing = true;
  const { tracks, problem } = await captureScreen();
  choosing = false;
  if (problem) notice(problem);
  try {
    for (const track of tracks) {
      track.addEventListener("ended", stopSharing); // by the browser's own button
      shared.push(await call.publish(track, { source: track.kind === "video" ? "screen" : "screen_audio" }));
    }
  } catch (error) {
    notice(error.message);
    tracks.forEach((track) => track.stop());
  }
  // The call may be over by now, or the sharing ended by the browser's button while it began.
  if (room !== call || tracks.some(({ readyState }) => readyState === "ended")) {
    tracks.forEach((track) => track.stop());
    return stopSharing();
  }
  showShared();
  return undefined;
}

async function stopSharing() {
  const before = shared;
  shared = [];
  showShared();
  for (const publication of before) {
    publication.media.stop();
    await room?.unpublish(publication).catch((error) => notice(error.message));
  }
}

function showShared() {
  const picture = shared.find(({ kind }) => kind === "video");
  $("call-screen").setAttribute("aria-pressed", String(shared.length > 0));
  $("call-screen").title = shared.length ? "Stop sharing your screen" : "Share your screen";
  gallery.share(picture?.media ?? null, { id: "me", name: room?.name ?? "", node: room?.home?.node ?? "", region: "" });
}

function enter(name, roomName) {
  $("lobby").hidden = true;
  $("over").hidden = true;
  $("call").hidden = false;
  $("call-title").textContent = roomName;
  document.title = `${roomName} · Starling`;
  // A reload wants the invitation again; the link that is handed out does not have it.
  const { invitation } = Object.fromEntries(new URLSearchParams(location.search));
  history.replaceState(null, "", `?${new URLSearchParams({ room: roomName, ...(invitation && { invitation }) })}`);
  const { node, region } = room.home;
  gallery.enter({ id: room.me, name, node, region });
  talk.recall(room);
  showOwn();
  showWhere();
  $("call-mic").disabled ? $("call-chat").focus() : $("call-mic").focus();
}

/** @param {Room} room */
function listen(room) {
  gallery.listen(room);
  talk.listen(room);
  moderation.listen(room);
  const on = (name, act) => room.addEventListener(name, ({ detail }) => act(detail));
  on("trouble", ({ message }) => notice(message));
  on("reconnecting", () => show("banner", "The connection broke. Reconnecting…"));
  on("resumed", () => show("banner", ""));
  on("moved", showWhere);
  on("statechange", showWhere);
  on("closed", ({ code, message }) => over(code, message));
}

function showLevels() {
  $("meter").style.transform = `scaleY(${mine.audio.wanted ? meter.level : 0})`;
  gallery.level(mine.audio.wanted ? meter.level / 4 : 0);
}

/** The lesser of two times, either of which may not have been measured. */
function least(a, b) {
  if (a === null || a === undefined) return b ?? null;
  return b === null || b === undefined ? a : Math.min(a, b);
}

function showWhere() {
  if (!room) return;
  const { home, rtt, state } = room;
  $("state-dot").dataset.state = state;
  if (!home) return;
  const ms = (value) => (value === null ? "–" : `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`);
  const connected = state === "connected";
  $("where-node").textContent = connected ? home.node : "Reconnecting…";
  $("where-region").textContent = connected && home.region !== home.node ? home.region : "";
  // The first pings after a join wait behind the browser's own work on the call; the probe's did not.
  const nearest = least(rtt, home?.measured ?? null);
  $("where-rtt").textContent = connected && nearest !== null ? ms(nearest) : "";
  $("where-text").textContent = `You are connected to ${home.node} in ${home.region}. These are the nodes this browser measured:`;
  $("where-table").tBodies[0].replaceChildren(
    ...room.candidates.map((candidate) => {
      const row = document.createElement("tr");
      const here = candidate.node === home.node;
      row.classList.toggle("here", here);
      row.title = (candidate.why ?? []).join("; ");
      const cells = [candidate.node, candidate.region, ms(here ? least(rtt, candidate.measured) : candidate.measured)];
      cells.forEach((text) => row.insertCell().append(text));
      return row;
    }),
  );
}

function wireCall() {
  setInterval(() => {
    showWhere();
    gallery.describe();
  }, REFRESH_INTERVAL);
  $("call-screen").hidden = !navigator.mediaDevices?.getDisplayMedia;
  $("call-screen").addEventListener("click", toggleScreen);
  showShared();
  $("leave").addEventListener("click", () => room?.leave());
  $("again").addEventListener("click", backToLobby);
  $("copy-link").addEventListener("click", copyLink);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") $("where").open = false;
  });
  document.addEventListener("click", (event) => {
    if (!$("where").contains(event.target)) $("where").open = false;
    gallery.resume();
  });
}

async function copyLink() {
  const link = new URL(`/?${new URLSearchParams({ room: room.room })}`, location.href).href;
  try {
    await navigator.clipboard.writeText(link);
    notice("The link is copied. Whoever opens it can join.");
  } catch {
    notice(`The link to this room: ${link}`);
  }
}

/* --- after the call --- */

const TITLES = {
  left: "You left",
  replaced: "You joined again elsewhere",
  kicked: "You were removed",
  banned: "You are banned",
  room_deleted: "The room is gone",
  disconnected: "The connection is lost",
};

function over(code, message) {
  if ($("call").hidden) return; // still in the lobby, where the form says it
  room = null;
  forgetPublications();
  gallery.close();
  talk.close();
  moderation.close();
  show("banner", "");
  $("call").hidden = true;
  $("over").hidden = false;
  $("over-title").textContent = TITLES[code] ?? "The call ended";
  show("over-text", code === "left" ? "" : message); // the title says that already
  // Two pages that took the seat from each other by themselves would never stop: the person decides.
  $("again").textContent = code === "replaced" ? "Join here again" : "Join again";
  $("over-title").focus();
  document.title = "Starling";
}

function backToLobby() {
  $("over").hidden = true;
  $("lobby").hidden = false;
  $("join").focus();
}

/** What a link handed over in its fragment, which no server sees; it does not stay in the address. */
function takeToken() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (token) history.replaceState(null, "", location.pathname + location.search);
  return token;
}

function readName() {
  try {
    return localStorage.getItem(NAME_KEY) ?? "";
  } catch {
    return ""; // no storage allowed
  }
}

function keepName(name) {
  try {
    localStorage.setItem(NAME_KEY, name);
  } catch {
    // No storage allowed: the name is asked for again next time.
  }
}

start();

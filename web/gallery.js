/** Who is in the call: a tile for each, and one for each screen that is shared. */

import { Tile, layOut } from "./tiles.js";

/** A shared screen is what people look at: it comes before faces when there is too little for all. */
const SCREEN_PRIORITY = 200;

const isScreen = ({ source }) => source === "screen" || source === "screen_audio";
const keyOf = (id, screen) => (screen ? `${id}/screen` : id);

/** The tiles of a call. */
export class Gallery {
  #grid;
  #blocked;
  #choose;
  /** @type {Map<string, Tile>} */
  #tiles = new Map();
  /** @type {import("./sdk/starling.js").Room | null} */
  #room = null;
  /** Whether the node says who speaks; until it does, what we hear has to do. */
  #told = false;

  /**
   * @param {HTMLElement} grid
   * @param {object} told
   * @param {() => void} told.blocked The browser wants a click before it plays sound.
   * @param {(participant: import("./sdk/starling.js").Participant, button: HTMLElement) => void} told.choose
   *   Something is to be done about somebody.
   */
  constructor(grid, { blocked, choose }) {
    this.#grid = grid;
    this.#blocked = blocked;
    this.#choose = choose;
    new ResizeObserver(() => layOut(grid)).observe(grid);
  }

  /** Our own tile, once we are in. */
  get own() {
    return this.#tiles.get("me");
  }

  /** Show what happens in a room. @param {import("./sdk/starling.js").Room} room */
  listen(room) {
    this.#room = room;
    const on = (name, act) => room.addEventListener(name, ({ detail }) => act(detail));
    on("participantjoined", ({ participant }) =>
      this.#add(keyOf(participant.id, false), participant).offer((button) => this.#choose(participant, button)),
    );
    on("participantchanged", ({ participant }) => {
      for (const screen of [false, true]) this.#tiles.get(keyOf(participant.id, screen))?.rename(participant);
    });
    on("participantleft", ({ participant }) => this.#drop(keyOf(participant.id, false)));
    on("trackadded", ({ participant, track }) => this.#show(participant, track));
    on("trackmuted", ({ participant, track }) => this.#mark(participant, track));
    on("trackrefused", ({ participant, track }) => this.#mark(participant, track));
    on("trackrestored", ({ participant, track }) => this.#mark(participant, track));
    on("trackremoved", ({ participant, track }) => this.#hide(participant, track));
    on("speakers", ({ speakers }) => this.#ring(speakers));
    on("resumed", () => this.#rehome());
    on("moved", () => this.#rehome());
    on("reconnecting", () => {
      for (const tile of this.#tiles.values()) if (!tile.mine) tile.picture(null);
    });
  }

  /** Put ourselves first. */
  enter(who) {
    this.#add("me", { ...who, mine: true });
    this.#grid.prepend(this.own.element);
  }

  /** Show the screen that we share, or null that we no longer do. @param {MediaStreamTrack | null} track */
  share(track, who) {
    if (track) this.#add("me/screen", { ...who, mine: true, screen: true }).picture(track);
    else this.#drop("me/screen");
  }

  /** Show how loud we all are. @param {number} own 0 to 1 */
  level(own) {
    if (this.#told || !this.#room) return;
    if (this.own) this.own.level = own;
    for (const { id, tracks } of this.#room.participants.values()) {
      const levels = [...tracks.values()].map((track) => track.receiver?.getSynchronizationSources?.()[0]?.audioLevel ?? 0);
      const tile = this.#tiles.get(id);
      if (tile) tile.level = Math.max(0, ...levels);
    }
  }

  /** Say in each corner how large a picture is, ours by the sizes that somebody watches. */
  async describe() {
    const room = this.#room;
    if (!room) return;
    for (const publication of room.publications) {
      const tile = this.#tiles.get(keyOf("me", isScreen(publication)));
      if (publication.kind !== "video" || !tile) continue;
      const sent = (await room.statistics(publication)).filter(({ active, height }) => active && height);
      const sizes = sent.map(({ height }) => height).sort((one, other) => one - other);
      tile.explain("", sizes.map((height) => `${height}p`).join(" ") || (publication.wanted ? "not watched" : ""));
    }
    for (const participant of room.participants.values()) {
      for (const track of participant.tracks.values()) {
        if (track.kind !== "video") continue;
        const seen = track.refused ? null : await room.statistics(track);
        const size = seen?.height ? `${seen.height}p · ${Math.round(seen.framesPerSecond)}/s` : "";
        this.#tileOf(participant, track)?.explain(track.refused?.message ?? "", size);
      }
    }
  }

  /** After a click: play what the browser held back. */
  resume() {
    for (const { audio } of this.#tiles.values()) if (audio?.srcObject && audio.paused) audio.play().catch(() => {});
  }

  /** Nobody is here any more. */
  close() {
    for (const tile of this.#tiles.values()) tile.remove();
    this.#tiles.clear();
    this.#room = null;
    this.#told = false;
  }

  /** We are on another node: our own tiles say where. */
  #rehome() {
    const { name, home } = this.#room;
    for (const tile of this.#tiles.values()) if (tile.mine) tile.rename({ name, node: home.node, region: home.region });
  }

  #tileOf(participant, track) {
    return this.#tiles.get(keyOf(participant.id, isScreen(track)));
  }

  #add(key, who) {
    const known = this.#tiles.get(key);
    if (known) return known;
    const tile = new Tile(who);
    this.#tiles.set(key, tile);
    // A screen goes first: it is what the others talk about.
    if (who.screen) this.#grid.prepend(tile.element);
    else this.#grid.append(tile.element);
    layOut(this.#grid);
    return tile;
  }

  #drop(key) {
    const tile = this.#tiles.get(key);
    if (!tile) return;
    this.#room?.detach(tile.video);
    tile.remove();
    this.#tiles.delete(key);
    layOut(this.#grid);
  }

  async #show(participant, track) {
    const screen = isScreen(track);
    const tile = this.#add(keyOf(participant.id, screen), { ...participant, screen });
    if (track.kind === "video") this.#room.attach(track, tile.video, screen ? { priority: SCREEN_PRIORITY } : {});
    else if (!(await tile.sound(track.media))) this.#blocked();
    this.#mark(participant, track);
  }

  #mark(participant, track) {
    const tile = this.#tileOf(participant, track);
    if (!tile) return;
    if (track.kind === "audio") tile.silenced = track.muted && !tile.screen;
    else {
      tile.dark = track.muted || Boolean(track.refused);
      tile.explain(track.refused?.message ?? "", "");
    }
  }

  #hide(participant, track) {
    const tile = this.#tileOf(participant, track);
    if (!tile) return;
    if (track.kind === "audio") tile.sound(null);
    else if (tile.screen) this.#drop(keyOf(participant.id, true));
    else {
      this.#room.detach(tile.video);
      tile.picture(null);
      tile.explain("", "");
    }
  }

  #ring(speakers) {
    this.#told = true;
    const heard = new Set(speakers.map(({ id, mine }) => (mine ? "me" : id)));
    for (const [key, tile] of this.#tiles) tile.speaking = heard.has(key);
  }
}

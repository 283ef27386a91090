/** The grid: one tile for each participant and each shared screen, as large as they all fit. */

import { arrange } from "./layout.js";

const SPEAKING = 0.02;

/** One participant's picture, sound, name and place; or the screen that they share. */
export class Tile {
  /** @param {{id: string, name: string, node: string, region: string, mine?: boolean, screen?: boolean}} who */
  constructor({ id, name, node, region, mine = false, screen = false }) {
    this.mine = mine;
    this.screen = screen;
    this.element = document.createElement("div");
    this.element.className = "tile";
    this.element.classList.toggle("me", mine);
    this.element.classList.toggle("screen", screen);
    this.element.setAttribute("role", "listitem");
    this.element.dataset.participant = id;
    this.video = document.createElement("video");
    Object.assign(this.video, { autoplay: true, playsInline: true, muted: true });
    this.audio = mine ? null : document.createElement("audio");
    this.avatar = make("div", "avatar");
    this.avatar.setAttribute("aria-hidden", "true");
    this.element.style.setProperty("--hue", String(hue(id)));
    const caption = make("div", "caption");
    this.who = make("span", "who");
    this.silent = make("span", "silent");
    this.silent.append(icon("mic-off"), make("span", "visually-hidden", "muted"));
    this.node = make("span", "node");
    caption.append(this.who, this.silent, this.node);
    this.quality = make("span", "quality");
    this.quality.setAttribute("aria-hidden", "true");
    this.refusal = make("p", "refusal");
    this.refusal.setAttribute("role", "status");
    this.element.append(this.video, this.avatar, this.refusal, this.quality, caption);
    if (this.audio) {
      this.audio.autoplay = true;
      this.element.append(this.audio);
    }
    this.rename({ name, node, region });
  }

  rename({ name, node, region }) {
    const whose = this.screen ? `${name}: screen` : name;
    this.who.textContent = this.mine ? `${whose} (you)` : whose;
    this.avatar.textContent = initials(name);
    this.node.textContent = node;
    if (region && region !== node) this.node.append(make("span", "region", ` · ${region}`));
    this.node.title = `On node ${node}, region ${region}`;
    this.element.setAttribute("aria-label", `${this.who.textContent}, on node ${node}`);
  }

  /** Have a button for what can be done about this one; it shows where the grid says so. @param {(button: HTMLElement) => void} act */
  offer(act) {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "more", title: `Moderate ${this.who.textContent}` });
    button.append(icon("more-icon"), make("span", "visually-hidden", button.title));
    button.setAttribute("aria-haspopup", "true");
    button.addEventListener("click", () => act(button));
    this.element.append(button);
  }

  /** @param {MediaStreamTrack | null} track */
  picture(track) {
    this.video.srcObject = track && new MediaStream([track]);
    this.dark = false;
  }

  /** Why there is no picture, or that there is a size; either may be empty. */
  explain(refusal, quality) {
    if (this.refusal.textContent !== refusal) this.refusal.textContent = refusal;
    if (this.quality.textContent !== quality) this.quality.textContent = quality;
  }

  /** @param {MediaStreamTrack | null} track @returns {Promise<boolean>} false when the browser wants a click first */
  async sound(track) {
    if (!this.audio) return true;
    this.audio.srcObject = track && new MediaStream([track]);
    if (!track) return true;
    return this.audio.play().then(
      () => true,
      (error) => error.name !== "NotAllowedError",
    );
  }

  set dark(dark) {
    this.element.classList.toggle("picture", !dark && Boolean(this.video.srcObject));
  }

  set silenced(silenced) {
    this.element.classList.toggle("silenced", silenced);
  }

  /** @param {number} level 0 to 1 */
  set level(level) {
    this.speaking = level > SPEAKING;
  }

  set speaking(speaking) {
    this.element.classList.toggle("speaking", speaking && !this.element.classList.contains("silenced"));
  }

  remove() {
    this.picture(null);
    if (this.audio) this.audio.srcObject = null;
    this.element.remove();
  }
}

/** Size the tiles of a grid to what there is room for. @param {HTMLElement} grid */
export function layOut(grid) {
  const { clientWidth: width, clientHeight: height, childElementCount: count } = grid;
  const screens = grid.querySelectorAll(":scope > .screen").length;
  const { people, tile, screen } = arrange({ width, height, people: count - screens, screens });
  grid.dataset.people = people;
  grid.style.setProperty("--tile", `${tile}px`);
  grid.style.setProperty("--screen", `${screen}px`);
}

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#${name}`);
  svg.append(use);
  return svg;
}

function make(tag, className, text = "") {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}

const initials = (name) =>
  name.trim().split(/\s+/).slice(0, 2).map((word) => [...word][0] ?? "").join("").toUpperCase() || "?";

/** A colour of one's own that stays the same for the same id. */
const hue = (id) => [...id].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 360, 7);

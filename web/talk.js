/** The chat beside the call. */

import { $, notice } from "./page.js";

/** What is said in a room, and the field to say more. */
export class Talk {
  /** @type {import("./sdk/starling.js").Room | null} */
  #room = null;

  constructor() {
    $("call-chat").addEventListener("click", () => this.open($("chat").hidden));
    $("chat-close").addEventListener("click", () => this.open(false));
    $("chat-form").addEventListener("submit", (event) => this.#send(event));
    document.addEventListener("keydown", ({ key }) => key === "Escape" && !$("chat").hidden && this.open(false));
  }

  /** Show what is said in a room. @param {import("./sdk/starling.js").Room} room */
  listen(room) {
    this.#room = room;
    room.addEventListener("chat", ({ detail }) => this.#add(detail));
    room.addEventListener("chatgap", () => notice("More was written while you were away than can be shown."));
  }

  /** @param {boolean} open */
  open(open) {
    $("chat").hidden = !open;
    $("call-chat").setAttribute("aria-expanded", String(open));
    if (open) {
      $("unread").hidden = true;
      $("chat-text").focus();
    } else {
      $("call-chat").focus();
    }
  }

  /** The call is over. */
  close() {
    this.#room = null;
    $("chat-log").replaceChildren();
    this.open(false);
  }

  async #send(event) {
    event.preventDefault();
    const text = $("chat-text").value.trim();
    if (!text || !this.#room) return;
    $("chat-text").value = "";
    try {
      await this.#room.chat(text);
    } catch (error) {
      $("chat-text").value ||= text;
      notice(error.message);
    }
  }

  #add({ name, text, at, mine }) {
    const item = document.createElement("li");
    item.classList.toggle("mine", mine);
    const head = document.createElement("b");
    const time = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    head.textContent = mine ? time : `${name} · ${time}`;
    const body = document.createElement("span");
    body.textContent = text;
    item.append(head, body);
    $("chat-log").append(item);
    item.scrollIntoView({ block: "end" });
    if ($("chat").hidden) $("unread").hidden = false;
  }
}

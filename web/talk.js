/** The chat beside the call. */

import { $, notice } from "./page.js";

const SHOWN_OF_BEFORE = 50;

/** What is said in a room, and the field to say more. */
export class Talk {
  /** @type {import("./sdk/starling.js").Room | null} */
  #room = null;
  /** @type {Set<string>} what is shown, by id */
  #shown = new Set();

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

  /** Show what was said before this page was there, now that it is. @param {import("./sdk/starling.js").Room} room */
  async recall(room) {
    try {
      const { messages } = await room.chatHistory({ limit: SHOWN_OF_BEFORE });
      if (room !== this.#room) return;
      const { firstChild } = $("chat-log");
      for (const message of messages) this.#show(message, firstChild);
      $("chat-log").lastElementChild?.scrollIntoView({ block: "end" });
    } catch {
      // An older node, or a store that is away: there is only what is said from now on.
    }
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
    this.#shown.clear();
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

  #add(message) {
    const item = this.#show(message, null);
    item?.scrollIntoView({ block: "end" });
    if (item && $("chat").hidden) $("unread").hidden = false;
  }

  /** Put a message into the log, before what stands there or at its end, unless it is there already. */
  #show({ id, name, text, at, mine }, before) {
    if (this.#shown.has(id)) return null;
    this.#shown.add(id);
    const item = document.createElement("li");
    item.classList.toggle("mine", mine);
    const head = document.createElement("b");
    const time = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    head.textContent = mine ? time : `${name} · ${time}`;
    const body = document.createElement("span");
    body.textContent = text;
    item.append(head, body);
    $("chat-log").insertBefore(item, before);
    return item;
  }
}

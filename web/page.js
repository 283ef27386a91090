/** The one document that the join page is: its elements, and the line in which it says what happens. */

const NOTICE_TIME = 4_000;

let noticeTimer = 0;

/** @param {string} id @returns {any} */
export const $ = (id) => document.getElementById(id);

/** Show a text in an element, or hide it where there is nothing to say. @param {string} id @param {string} text */
export function show(id, text) {
  $(id).textContent = text;
  $(id).hidden = !text;
}

/** Say something that matters for a moment. @param {string} text */
export function notice(text) {
  show("banner", text);
  clearTimeout(noticeTimer);
  noticeTimer = setTimeout(() => $("banner").textContent === text && show("banner", ""), NOTICE_TIME);
}

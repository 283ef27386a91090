/** What the SDK throws, and what can be said about it. */

/** Error codes after which trying again without a change would only fail again. */
const FINAL = new Set([
  "banned", "not_permitted", "origin_refused", "protocol_unsupported", "invitation_invalid", "invitation_required",
  "pin_required", "pin_wrong", "replaced", "room_full", "room_invalid",
  "room_locked", "room_unknown", "seat_occupied", "malformed_message", "message_too_large", "logged_out",
]);

/** Something was refused or did not work; `code` is stable, `message` is for people. */
export class StarlingError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {number | null} [highestAttempt]
   * @param {number} [retryAfter] Ms that the node asked to be left alone for; 0 where it did not.
   */
  constructor(code, message, highestAttempt = null, retryAfter = 0) {
    super(message);
    this.name = "StarlingError";
    this.code = code;
    this.highestAttempt = highestAttempt;
    this.retryAfter = retryAfter;
  }

  /** Whether trying again without a change would only fail again. */
  get final() {
    return FINAL.has(this.code);
  }
}

/** Whatever was thrown, as a StarlingError. @param {any} error @returns {StarlingError} */
export function told(error) {
  if (error instanceof StarlingError) return error;
  return new StarlingError("internal_error", "Something in this page went wrong. Reload it and try again.");
}

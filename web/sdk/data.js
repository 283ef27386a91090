/**
 * Data channels: what one sends under a label, everybody else in the room gets, with who sent it.
 *
 * A channel is opened on the publisher connection. What others send arrives on the subscriber connection, on a channel of
 * the same label, each message with its sender in front: one byte that counts the bytes of the sender's participant id,
 * that id, the payload.
 */

import { StarlingError } from "./errors.js";

/** Ms for a channel to open. */
const OPEN_DEADLINE = 10_000;
/** Bytes that wait to be sent: a second of 8 Mbit/s; above it something is wrong with the way. */
const MAX_WAITING_BYTES = 1 << 20;
/** Bytes of one message, text as UTF-8; the node refuses more (its `MAX_PAYLOAD_BYTES`), and delivers this much whole. */
export const MAX_MESSAGE_BYTES = 16 * 1024;
/** UTF-8 bytes of a label. */
const MAX_LABEL_BYTES = 64;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Where we send under one label. It outlives reconnects: while there is no connection nothing can be sent. */
export class DataSender {
  /** @type {RTCDataChannel | null} */
  #channel = null;
  /** Opened on the newest connection, and perhaps not open yet. */
  #next = null;
  /** Those who wait for it to open: told how that ended. @type {Set<(error: StarlingError | null) => void>} */
  #waiting = new Set();

  /** @param {string} label @param {boolean} reliable */
  constructor(label, reliable) {
    const bytes = encoder.encode(label).length;
    if (bytes < 1 || bytes > MAX_LABEL_BYTES) {
      throw new StarlingError("data_label_invalid", `A label has 1 to ${MAX_LABEL_BYTES} bytes; choose another.`);
    }
    this.label = label;
    this.reliable = reliable;
  }

  /** Whether something can be sent now. */
  get isOpen() {
    return this.#channel?.readyState === "open";
  }

  /**
   * Send to everybody else in the room.
   * @param {string | ArrayBuffer | ArrayBufferView} payload Text goes as UTF-8.
   * @returns {boolean} false when an unreliable message was dropped, because too much is waiting already
   * @throws {StarlingError} `data_closed`, `data_too_large`, `data_invalid`; `data_congested` on a reliable channel.
   */
  send(payload) {
    const bytes = asBytes(payload);
    if (bytes.length > MAX_MESSAGE_BYTES) {
      throw new StarlingError("data_too_large", `A message has at most ${MAX_MESSAGE_BYTES} bytes; send it in parts.`);
    }
    if (!this.isOpen) throw new StarlingError("data_closed", "There is no connection right now. Try again when it is back.");
    if (this.#channel.bufferedAmount > MAX_WAITING_BYTES) {
      if (!this.reliable) return false;
      throw new StarlingError("data_congested", "The connection takes no more right now. Wait a moment and try again.");
    }
    this.#channel.send(bytes);
    return true;
  }

  /** Open it on a publisher connection, instead of an earlier one. @param {RTCPeerConnection} pc */
  openOn(pc) {
    const how = this.reliable ? { ordered: true } : { ordered: false, maxRetransmits: 0 };
    const channel = pc.createDataChannel(this.label, how);
    channel.binaryType = "arraybuffer";
    // After a move the earlier one is good until this one is.
    this.#next = channel;
    if (!this.isOpen) this.#channel = channel;
    channel.onopen = () => {
      if (channel !== this.#next) return;
      this.#channel = channel;
      this.#settle(null);
    };
  }

  /** @returns {Promise<this>} once something can be sent */
  opened() {
    return new Promise((resolve, reject) => {
      if (this.isOpen) return resolve(this);
      const end = (error) => {
        clearTimeout(timer);
        this.#waiting.delete(end);
        if (error) reject(error);
        else resolve(this);
      };
      const late = () => end(new StarlingError("deadline_exceeded", "The data channel did not open. Try again."));
      const timer = setTimeout(late, OPEN_DEADLINE);
      this.#waiting.add(end);
      return undefined;
    });
  }

  close() {
    this.#next?.close();
    this.#channel?.close();
    this.#channel = this.#next = null;
    this.#settle(new StarlingError("data_closed", "The data channel was closed before it opened."));
  }

  /** @param {StarlingError | null} error */
  #settle(error) {
    for (const end of [...this.#waiting]) end(error);
  }
}

/** A message of somebody else. */
export class DataMessage {
  /** @param {string} label @param {string} sender @param {Uint8Array} payload */
  constructor(label, sender, payload) {
    this.label = label;
    /** Participant id. */
    this.sender = sender;
    this.payload = payload;
  }

  /** The payload as text. */
  get text() {
    return decoder.decode(this.payload);
  }
}

/**
 * Take apart what arrived on a channel of the subscriber connection.
 * @param {string} label @param {ArrayBuffer} data @returns {DataMessage | null} null for what no node sends
 */
export function readMessage(label, data) {
  if (!(data instanceof ArrayBuffer)) return null;
  const bytes = new Uint8Array(data);
  const start = 1 + (bytes[0] ?? 0);
  if (bytes.length < start || start === 1) return null;
  return new DataMessage(label, decoder.decode(bytes.subarray(1, start)), bytes.subarray(start));
}

/** Hear what others send on a subscriber connection. @param {RTCPeerConnection} pc @param {(message: DataMessage) => void} heard */
export function hearData(pc, heard) {
  pc.ondatachannel = ({ channel }) => {
    channel.binaryType = "arraybuffer";
    channel.onmessage = ({ data }) => {
      const message = readMessage(channel.label, data);
      if (message) heard(message);
    };
  };
}

function asBytes(payload) {
  if (typeof payload === "string") return encoder.encode(payload);
  if (payload instanceof ArrayBuffer) return new Uint8Array(payload);
  if (ArrayBuffer.isView(payload)) return new Uint8Array(payload.buffer, payload.byteOffset, payload.byteLength);
  throw new StarlingError("data_invalid", "A message is text or bytes; JSON.stringify makes text of anything else.");
}

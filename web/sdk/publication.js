/** A track of ours: what it is sent as, and what the node wants of it. */

import { asWanted, encodingsFor, nameOf, orderCodecs } from "./encodings.js";

/** @typedef {"audio" | "video"} MediaKind */
/** @typedef {"microphone" | "camera" | "screen" | "screen_audio"} Source */
/** @typedef {import("./encodings.js").PublishOptions} PublishOptions */

/** A track of ours, as `Room.publish` gives it. */
export class Publication {
  /** The codecs that everybody plays, when somebody does not play all. @type {string[] | null} */
  #allowed = null;
  /** Names of the codecs, the one to send first. @type {string[]} */
  #order = [];
  #chain = Promise.resolve();

  /** @param {MediaStreamTrack} media @param {Source} source @param {boolean} muted @param {PublishOptions} [options] */
  constructor(media, source, muted, options = {}) {
    this.media = media;
    this.source = source;
    this.kind = /** @type {MediaKind} */ (media.kind);
    this.muted = muted;
    this.options = options;
    /** The node's name for it; kept over reconnects. @type {string | null} */
    this.id = null;
    /** @type {RTCRtpTransceiver | null} */
    this.transceiver = null;
    /** What anybody wants of it: encodings by rid, the highest spatial layer. Null until the node says. */
    this.wanted = null;
    media.enabled = !muted;
    if (source === "screen" && "contentHint" in media) media.contentHint = options.hint ?? "detail";
  }

  /** What the far side is to wish for in its answer: codecs in order, and how to send Opus. */
  get choice() {
    const opus = { fec: this.options.fec ?? true, dtx: this.options.dtx ?? false };
    return { order: this.#order, opus };
  }

  /** Put it on a peer connection. @param {RTCPeerConnection} pc */
  send(pc) {
    const sendEncodings = encodingsFor(this.media, this.source, this.options);
    this.transceiver = pc.addTransceiver(this.media, { direction: "sendonly", ...(sendEncodings.length && { sendEncodings }) });
    this.wanted = null;
    this.#prefer();
  }

  /** Send another track of the same kind from now on, such as from another camera. @param {MediaStreamTrack} media */
  async replace(media) {
    media.enabled = !this.muted;
    await this.transceiver?.sender.replaceTrack(media);
    this.media = media;
  }

  /** Send what somebody watches, and nothing else. @param {{encodings: Record<string, boolean>, spatial: number | null}} wanted */
  obey(wanted) {
    this.wanted = wanted;
    // One after the other: parameters are good for one change.
    this.#chain = this.#chain.then(() => this.#apply()).catch(() => {});
    return this.#chain;
  }

  async #apply() {
    const sender = this.transceiver?.sender;
    if (!sender?.setParameters || !this.wanted) return;
    const parameters = sender.getParameters();
    parameters.encodings = asWanted(parameters.encodings, this.wanted);
    await sender.setParameters(parameters);
  }

  /**
   * Use these codecs alone from the next offer on; an empty list lifts that.
   * @param {string[]} codecs @returns {boolean} false when this browser has none of them: then nothing changes
   */
  restrict(codecs) {
    const before = this.#allowed;
    this.#allowed = codecs.length ? codecs.map((one) => one.toLowerCase()) : null;
    if (this.#prefer()) return true;
    this.#allowed = before;
    return false;
  }

  /** Any codec may be used again from the next connection on. */
  lift() {
    this.#allowed = null;
  }

  #prefer() {
    const known = RTCRtpReceiver.getCapabilities(this.kind)?.codecs ?? [];
    const ordered = orderCodecs(known, this.source, this.options, this.#allowed);
    if (ordered.length === 0) return this.#allowed === null;
    this.#order = [...new Set(ordered.map(nameOf))];
    this.transceiver?.setCodecPreferences(ordered);
    return true;
  }
}

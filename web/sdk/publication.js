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

  /**
   * @param {MediaStreamTrack} media @param {Source} source @param {boolean} muted @param {PublishOptions} [options]
   * @param {Publication | null} [alternativeOf] What this is once more, in another codec.
   */
  constructor(media, source, muted, options = {}, alternativeOf = null) {
    this.media = media;
    this.source = source;
    this.kind = /** @type {MediaKind} */ (media.kind);
    this.muted = muted;
    this.options = options;
    /** The node's name for it; kept over reconnects. @type {string | null} */
    this.id = null;
    this.alternativeOf = alternativeOf;
    /** The same once more, for those who cannot play it. @type {Publication | null} */
    this.second = null;
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
    if (!this.muted) await this.#copyToSecond();
  }

  /** Be silent or dark, or no longer. @param {boolean} muted */
  hush(muted) {
    this.muted = muted;
    this.media.enabled = !muted;
    if (!this.second) return;
    this.second.muted = muted;
    // A page that is dark stops its camera's track, and a copy would keep the camera on.
    if (muted) this.second.media.stop();
    else this.#copyToSecond();
  }

  async #copyToSecond() {
    const { second } = this;
    if (!second) return;
    second.media.stop();
    second.media = this.media.clone();
    second.media.enabled = !this.muted;
    // Of a connection that is gone; the next one takes what is there then.
    await second.transceiver?.sender.replaceTrack(second.media).catch(() => {});
  }

  /**
   * Be sent once more in one of these codecs from the next offer on; no longer, when there are none.
   * @param {string[]} codecs @returns {boolean} false when this browser can send none of them: then nothing changes
   */
  double(codecs) {
    const names = codecs.map((one) => one.toLowerCase());
    // A second encoding keeps its codec for life, so that whoever could not play it need not be asked again.
    if (this.second && names.includes(this.second.#order[0])) return true;
    const second = names.length ? this.#inOneOf(names) : null;
    if (names.length && !second) return false;
    this.single();
    this.second = second;
    return true;
  }

  /** Be sent once. */
  single() {
    this.second?.media.stop();
    this.second = null;
  }

  /** @param {string[]} names @returns {Publication | null} */
  #inOneOf(names) {
    const able = globalThis.RTCRtpSender?.getCapabilities?.(this.kind)?.codecs.map(nameOf) ?? names;
    // A copy, as each encoder asks its own track for fewer pixels when it is short of time.
    const options = { ...this.options, codec: undefined, svc: false };
    const second = new Publication(this.media.clone(), this.source, this.muted, options, this);
    const isAble = second.restrict(names.filter((name) => able.includes(name))) && names.includes(second.#order[0]);
    if (this.muted || !isAble) second.media.stop();
    return isAble ? second : null;
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

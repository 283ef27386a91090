/** The two peer connections: the publisher, where this side offers, and the subscriber, where the node does. */

/** @typedef {import("./signal.js").Signal} Signal */
/** @typedef {"audio" | "video"} MediaKind */
/** @typedef {"microphone" | "camera" | "screen" | "screen_audio"} Source */

/** A track of ours, as `Room.publish` gives it. */
export class Publication {
  /** @param {MediaStreamTrack} media @param {Source} source @param {boolean} muted */
  constructor(media, source, muted) {
    this.media = media;
    this.source = source;
    this.kind = /** @type {MediaKind} */ (media.kind);
    this.muted = muted;
    /** The node's name for it; kept over reconnects. @type {string | null} */
    this.id = null;
    /** @type {RTCRtpTransceiver | null} */
    this.transceiver = null;
    media.enabled = !muted;
  }

  /** Send another track of the same kind from now on, such as from another camera. @param {MediaStreamTrack} media */
  async replace(media) {
    media.enabled = !this.muted;
    await this.transceiver?.sender.replaceTrack(media);
    this.media = media;
  }
}

/** The peer connection on which this side offers. Offers run one after the other; each says all tracks. */
export class Publisher {
  #signal;
  #publications;
  #failed;
  #dirty = false;
  /** @type {Promise<void> | null} */
  #running = null;
  /** @type {RTCPeerConnection | null} */
  #pc = null;
  #closed = false;

  constructor(signal, publications, failed) {
    this.#signal = signal;
    this.#publications = publications;
    this.#failed = failed;
  }

  /** Bring the node up to date with the publications. Several calls at once share what they can. */
  negotiate() {
    this.#dirty = true;
    this.#running ??= this.#run().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  async #run() {
    while (this.#dirty && !this.#closed) {
      this.#dirty = false;
      if (!this.#pc && this.#publications.size === 0) return;
      await this.#offer();
    }
  }

  async #offer() {
    const pc = (this.#pc ??= openPeer("publisher", this.#signal, this.#failed));
    const current = [...this.#publications];
    for (const transceiver of pc.getTransceivers()) {
      const stopped = transceiver.direction === "stopped";
      if (!stopped && !current.some((publication) => publication.transceiver === transceiver)) transceiver.stop();
    }
    for (const publication of current) {
      if (pc.getTransceivers().includes(publication.transceiver)) continue;
      publication.transceiver = pc.addTransceiver(publication.media, { direction: "sendonly" });
      if (publication.kind === "video") preferVp8(publication.transceiver);
    }
    await pc.setLocalDescription();
    const said = new Map(current.map((publication) => [publication, publication.muted]));
    const tracks = current.map(({ transceiver, kind, source, muted, id }) => ({
      mid: transceiver.mid,
      kind,
      source,
      muted,
      ...(id && { track: id }),
    }));
    const reply = this.#signal.request("publish", { sdp: pc.localDescription.sdp, tracks });
    pc.sendCandidates();
    const { sdp, tracks: ids } = await reply;
    if (this.#closed) return;
    await pc.setRemoteDescription({ type: "answer", sdp });
    for (const [publication, muted] of said) {
      publication.id = ids[publication.transceiver.mid] ?? publication.id;
      if (publication.muted !== muted) await this.sayMuted(publication);
    }
  }

  /** Tell the room whether a track is muted; before the track has an id, its offer will tell. */
  async sayMuted({ id, muted }) {
    if (id) await this.#signal.request("mute", { track: id, muted });
  }

  close() {
    this.#closed = true;
    this.#pc?.close();
    for (const publication of this.#publications) publication.transceiver = null;
  }
}

/** Refusals of an answer that something on its way makes good: a newer offer, a `restart`, our own leaving. */
const PASSING = new Set(["offer_stale", "engine_unavailable", "not_in_room"]);

/** The peer connection on which the node offers. */
export class Subscriber {
  #signal;
  #failed;
  #arrived;
  /** @type {RTCPeerConnection | null} */
  #pc = null;
  #closed = false;
  #chain = Promise.resolve();
  /** Which track each mid carried in the offer before. @type {Map<string, string>} */
  #carried = new Map();

  /** @param {(track: string, receiver: RTCRtpReceiver) => void} arrived */
  constructor(signal, failed, arrived) {
    this.#signal = signal;
    this.#failed = failed;
    this.#arrived = arrived;
  }

  /** Answer an offer, after those before it. */
  take(offer) {
    this.#chain = this.#chain.then(() => this.#answer(offer)).catch((error) => {
      if (!this.#closed && !PASSING.has(error.code)) this.#failed();
    });
  }

  async #answer({ sdp, generation, tracks }) {
    if (this.#closed) return;
    const pc = (this.#pc ??= openPeer("subscriber", this.#signal, this.#failed));
    await pc.setRemoteDescription({ type: "offer", sdp });
    await pc.setLocalDescription();
    const receivers = new Map(pc.getTransceivers().map((transceiver) => [transceiver.mid, transceiver.receiver]));
    const reply = this.#signal.request("answer", { sdp: pc.localDescription.sdp, generation });
    pc.sendCandidates();
    const carried = new Map(tracks.map(({ mid, track }) => [mid, track]));
    for (const [mid, track] of carried) {
      const receiver = receivers.get(mid);
      if (receiver && this.#carried.get(mid) !== track) this.#arrived(track, receiver);
    }
    this.#carried = carried;
    await reply;
  }

  close() {
    this.#closed = true;
    this.#pc?.close();
  }
}

/**
 * Make a peer connection that trickles its candidates, from the first description that the node has seen on.
 * @param {"publisher" | "subscriber"} peer
 */
function openPeer(peer, signal, failed) {
  const pc = new RTCPeerConnection({ bundlePolicy: "max-bundle", rtcpMuxPolicy: "require" });
  /** @type {string[] | null} */
  let early = [];
  const tell = (candidate) => signal.tell("candidate", { peer, candidate });
  pc.onicecandidate = ({ candidate }) => {
    const text = candidate?.candidate ?? "";
    if (early) early.push(text);
    else tell(text);
  };
  pc.onconnectionstatechange = () => {
    if (pc.connectionState === "failed") failed();
  };
  pc.sendCandidates = () => {
    early?.forEach(tell);
    early = null;
  };
  return pc;
}

/** @param {RTCRtpTransceiver} transceiver */
function preferVp8(transceiver) {
  const codecs = RTCRtpReceiver.getCapabilities("video")?.codecs ?? [];
  const isVp8 = (codec) => codec.mimeType.toLowerCase() === "video/vp8";
  if (codecs.some(isVp8)) {
    transceiver.setCodecPreferences([...codecs.filter(isVp8), ...codecs.filter((codec) => !isVp8(codec))]);
  }
}

/** The two peer connections: the publisher, where this side offers, and the subscriber, where the node does. */

import { hearData } from "./data.js";
import { asChosen } from "./encodings.js";
import { applyTransform, configurationFor } from "./transform.js";

/** @typedef {import("./signal.js").Signal} Signal */
/** @typedef {import("./outgoing.js").Outgoing} Outgoing */
/** @typedef {import("./data.js").DataSender} DataSender */
/** @typedef {import("./transform.js").Transforms} Transforms */

/** The peer connection on which this side offers. Offers run one after the other; each says all tracks. */
export class Publisher {
  #signal;
  /** @type {Outgoing} */
  #outgoing;
  #failed;
  #dirty = false;
  /** Data channels that are on this connection. @type {Set<DataSender>} */
  #opened = new Set();
  /** @type {Promise<void> | null} */
  #running = null;
  /** @type {RTCPeerConnection | null} */
  #pc = null;
  #closed = false;

  /** @param {Outgoing} outgoing */
  constructor(signal, outgoing, failed) {
    this.#signal = signal;
    this.#outgoing = outgoing;
    this.#failed = failed;
  }

  /** Bring the node up to date with what we send. Several calls at once share what they can. */
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
      if (!this.#pc && this.#outgoing.sent.length + this.#outgoing.senders.size === 0) return;
      await this.#offer();
    }
  }

  async #offer() {
    const { sent: current, senders, transform } = this.#outgoing;
    const pc = (this.#pc ??= openPeer("publisher", this.#signal, this.#failed, transform));
    await retire(pc, new Set(current.map(({ transceiver }) => transceiver)));
    for (const publication of current) {
      if (pc.getTransceivers().includes(publication.transceiver)) continue;
      publication.send(pc);
      applyTransform(transform, "sender", publication.transceiver.sender, publication.kind);
    }
    for (const sender of senders.values()) {
      if (!this.#opened.has(sender)) sender.openOn(pc);
      this.#opened.add(sender);
    }
    await pc.setLocalDescription();
    const said = new Map(current.map((publication) => [publication, publication.muted]));
    const tracks = current.map(({ transceiver, kind, source, muted, id, alternativeOf }) => ({
      mid: transceiver.mid,
      kind,
      source,
      muted,
      ...(id && { track: id }),
      ...(alternativeOf && { alternative_of: alternativeOf.id }),
    }));
    const reply = this.#signal.request("publish", { sdp: pc.localDescription.sdp, tracks });
    pc.sendCandidates();
    const { sdp, tracks: ids } = await reply;
    if (this.#closed) return;
    const choices = new Map(current.map(({ transceiver, choice }) => [transceiver.mid, choice]));
    await pc.setRemoteDescription({ type: "answer", sdp: asChosen(sdp, choices) });
    for (const [publication, muted] of said) {
      publication.id = ids[publication.transceiver.mid] ?? publication.id;
      if (publication.muted !== muted) await this.sayMuted(publication);
    }
  }

  /** Tell the room whether a track is muted; before the track has an id, its offer will tell. */
  async sayMuted({ id, muted }) {
    if (id) await this.#signal.request("mute", { track: id, muted });
  }

  /** Whether the node takes what we send, if we send anything. */
  get carries() {
    return this.#pc ? this.#pc.connectionState === "connected" && !this.#running : !this.#running;
  }

  close() {
    this.#closed = true;
    // After a move they may be on the next connection already.
    const ours = new Set(this.#pc?.getTransceivers());
    this.#pc?.close();
    for (const publication of this.#outgoing.sent) {
      if (ours.has(publication.transceiver)) publication.transceiver = null;
    }
  }
}

/**
 * Stop what is no longer sent. The last m-line that the node knows stays, and carries nothing: with all of them rejected
 * an offer has no BUNDLE group, and the connection takes no further one. It goes once there is another.
 * @param {RTCPeerConnection} pc @param {Set<RTCRtpTransceiver | null>} sent
 */
async function retire(pc, sent) {
  const live = pc.getTransceivers().filter(({ direction }) => direction !== "stopped");
  const over = live.filter((transceiver) => !sent.has(transceiver));
  const known = live.filter(({ currentDirection }) => currentDirection);
  const held = pc.sctp || known.some((transceiver) => sent.has(transceiver)) ? null : known[0];
  for (const transceiver of over) {
    if (transceiver !== held) transceiver.stop();
    else {
      transceiver.direction = "inactive";
      await transceiver.sender.replaceTrack(null);
    }
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
  /** @type {Transforms | null} */
  #transform;
  #heard;

  /**
   * @param {(track: string, receiver: RTCRtpReceiver) => void} arrived
   * @param {(message: import("./data.js").DataMessage) => void} heard
   * @param {Transforms | null} transform
   */
  constructor(signal, failed, arrived, heard, transform) {
    this.#signal = signal;
    this.#failed = failed;
    this.#arrived = arrived;
    this.#heard = heard;
    this.#transform = transform;
  }

  /** Answer an offer, after those before it. */
  take(offer) {
    this.#chain = this.#chain.then(() => this.#answer(offer)).catch((error) => {
      if (!this.#closed && !PASSING.has(error.code)) this.#failed();
    });
  }

  async #answer({ sdp, generation, tracks }) {
    if (this.#closed) return;
    const pc = (this.#pc ??= this.#open());
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

  #open() {
    const pc = openPeer("subscriber", this.#signal, this.#failed, this.#transform);
    hearData(pc, this.#heard);
    // Here and not later: a first frame that came before its transform would be lost.
    pc.ontrack = ({ receiver }) => applyTransform(this.#transform, "receiver", receiver, receiver.track.kind);
    return pc;
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
function openPeer(peer, signal, failed, transform) {
  const pc = new RTCPeerConnection({ bundlePolicy: "max-bundle", rtcpMuxPolicy: "require", ...configurationFor(transform) });
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

/** What we send: tracks and data channels, over whichever connection there is. */

import { DataSender } from "./data.js";
import { StarlingError } from "./errors.js";
import { Publisher } from "./peers.js";
import { Publication } from "./publication.js";
import { configurationFor } from "./transform.js";

/** Tracks and data channels of ours. They outlive connections: each new one takes them all along. */
export class Outgoing {
  /** @type {Set<Publication>} */
  publications = new Set();
  /** Data channels by label. @type {Map<string, DataSender>} */
  senders = new Map();
  /** @type {Publisher | null} */
  #publisher = null;
  /** @type {import("./signal.js").Signal | null} */
  #signal = null;
  #trouble;

  /**
   * @param {import("./transform.js").Transforms | null} transform
   * @param {(error: unknown) => void} trouble Told what did not get through.
   * @throws {StarlingError} `transform_unsupported`
   */
  constructor(transform, trouble) {
    configurationFor(transform);
    this.transform = transform;
    this.#trouble = trouble;
  }

  /** Send it all over a new connection, under the ids that the room knows. */
  async begin(signal, failed) {
    if (signal !== this.#signal) {
      // Whoever could not play something may be gone by now, and a node says again what is still needed.
      for (const publication of this.publications) publication.lift();
    }
    this.#signal = signal;
    const publisher = (this.#publisher = new Publisher(signal, this, failed));
    try {
      await publisher.negotiate();
    } catch (error) {
      if (publisher !== this.#publisher || error.code !== "track_unknown") return this.#complain(publisher, error);
      for (const publication of this.publications) {
        publication.id = null;
        publication.single();
      }
      await publisher.negotiate().catch((again) => this.#complain(publisher, again));
    }
    return undefined;
  }

  /** Say what did not get through, unless a newer connection says all of it again. */
  #complain(publisher, error) {
    if (publisher && publisher === this.#publisher) this.#trouble(error);
  }

  /** Whether what we send goes over the connection that was begun last. */
  get carries() {
    return this.#publisher?.carries ?? true;
  }

  /** Begin another connection beside this one, which the caller closes. @returns {Publisher | null} */
  letGo() {
    const former = this.#publisher;
    this.#publisher = null;
    return former;
  }

  /** The connection is gone. */
  end() {
    this.#publisher?.close();
    this.#publisher = null;
  }

  /** All that is sent: what was published, and what of it is sent once more. @returns {Publication[]} */
  get sent() {
    return [...this.publications].flatMap((one) => (one.second && one.id ? [one, one.second] : [one]));
  }

  /** The room is over: whoever waits for a data channel waits no more. */
  close() {
    for (const publication of this.publications) publication.single();
    for (const sender of [...this.senders.values()]) this.closeData(sender);
  }

  /** See `Room.publish`. */
  async publish(media, source, muted, options) {
    // Of redundancy that a node cannot read it cannot take the plain frames, for those who take no redundancy.
    const readable = this.transform?.sender ? { ...options, red: false } : options;
    const publication = new Publication(media, source, muted, readable);
    this.publications.add(publication);
    const publisher = this.#publisher;
    try {
      await publisher?.negotiate();
    } catch (error) {
      // A publisher of a new connection or a new engine takes it along, or will.
      if (publisher !== this.#publisher || error.code === "engine_unavailable") return publication;
      this.publications.delete(publication);
      throw error;
    }
    return publication;
  }

  /** @param {Publication} publication */
  async unpublish(publication) {
    if (!this.publications.delete(publication)) return;
    publication.single();
    await this.#publisher?.negotiate();
  }

  /** @param {Publication} publication @param {boolean} muted */
  async mute(publication, muted) {
    publication.hush(muted);
    await this.#publisher?.sayMuted(publication);
  }

  /** See `Room.openData`. */
  async openData(label, reliable) {
    if (this.senders.has(label)) throw new StarlingError("data_label_taken", "There is a channel of that label already.");
    const sender = new DataSender(label, reliable);
    this.senders.set(label, sender);
    try {
      await this.#publisher?.negotiate();
      return await sender.opened();
    } catch (error) {
      this.closeData(sender);
      throw error;
    }
  }

  /** @param {DataSender} sender */
  closeData(sender) {
    if (this.senders.get(sender.label) === sender) this.senders.delete(sender.label);
    sender.close();
  }

  /** The node says what of a track is watched. @param {any} message @param {(publication: Publication) => void} changed */
  obey({ track, encodings, spatial }, changed) {
    const publication = this.#named(track);
    if (!publication) return;
    publication.obey({ encodings, spatial: spatial ?? null });
    if (!publication.alternativeOf) changed(publication);
  }

  /** Somebody cannot play what we send: use these codecs alone. */
  restrict({ track, codecs }) {
    const publication = this.#named(track);
    if (!publication) return;
    const publisher = this.#publisher;
    if (publication.restrict(codecs)) publisher?.negotiate().catch((error) => this.#complain(publisher, error));
    else this.#trouble(new StarlingError("codec_impossible", "Not everybody can see what you send: no codec suits you all."));
  }

  /** Somebody cannot play what we send: send it once more in one of these codecs, or no longer when there are none. */
  async double({ track, codecs }) {
    const publication = this.#named(track);
    if (!publication || publication.alternativeOf) return;
    const before = publication.second;
    if (!publication.double(codecs)) {
      this.#trouble(new StarlingError("codec_impossible", "Not everybody can see what you send: no codec suits the others."));
      return;
    }
    if (publication.second === before) return;
    const publisher = this.#publisher;
    try {
      await publisher?.negotiate();
    } catch (error) {
      if (publisher === this.#publisher && error.code !== "engine_unavailable") publication.single();
      this.#complain(publisher, error);
    }
  }

  #named(track) {
    return this.sent.find(({ id }) => id === track) ?? null;
  }
}

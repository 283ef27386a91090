/** What the browser itself counts of our tracks and the others', by track. */

/**
 * @typedef {object} MediaStatistics One stream: an encoding of ours, or what we receive of a track.
 * @property {string} rid Empty where there is one encoding.
 * @property {string} codec "vp8", "opus"; empty before the first packet.
 * @property {number} width Of the picture; 0 for sound.
 * @property {number} height
 * @property {number} framesPerSecond
 * @property {number} bytes Since the connection was made.
 * @property {number} packets
 * @property {number} lost
 * @property {number} jitterMs
 * @property {boolean} active Whether it is sent; always true for what we receive.
 */

/** @param {RTCStatsReport} report @param {"inbound-rtp" | "outbound-rtp"} type @returns {MediaStatistics[]} */
function read(report, type) {
  const inbound = type === "inbound-rtp";
  return [...report.values()]
    .filter((entry) => entry.type === type)
    .map((entry) => ({
      rid: entry.rid ?? "",
      codec: report.get(entry.codecId)?.mimeType.split("/")[1].toLowerCase() ?? "",
      width: entry.frameWidth ?? 0,
      height: entry.frameHeight ?? 0,
      framesPerSecond: entry.framesPerSecond ?? 0,
      bytes: (inbound ? entry.bytesReceived : entry.bytesSent) ?? 0,
      packets: (inbound ? entry.packetsReceived : entry.packetsSent) ?? 0,
      lost: entry.packetsLost ?? 0,
      jitterMs: (entry.jitter ?? 0) * 1_000,
      active: entry.active ?? true,
    }));
}

/** @param {import("./publication.js").Publication} publication @returns {Promise<MediaStatistics[]>} one for each encoding */
export async function sentOf({ transceiver }) {
  const report = await transceiver?.sender.getStats();
  return report ? read(report, "outbound-rtp") : [];
}

/** @param {import("./people.js").Track} track @returns {Promise<MediaStatistics | null>} */
export async function receivedOf({ receiver }) {
  const report = await receiver?.getStats?.();
  return report ? (read(report, "inbound-rtp")[0] ?? null) : null;
}

/** What a track of ours is sent as: codecs in order, simulcast encodings or SVC layers. Decides; touches no connection. */

/** @typedef {import("./publication.js").Source} Source */
/**
 * @typedef {object} PublishOptions What a track is to be sent as; every field has a sensible default.
 * @property {"vp8" | "vp9" | "h264" | "av1"} [codec] For video; VP8, which every browser plays, by default.
 * @property {boolean} [simulcast] Several sizes of a picture, so that everybody gets the one that suits; the default.
 * @property {boolean} [svc] One stream in layers instead (VP9 or AV1; VP9 unless `codec` says otherwise).
 * @property {number} [maxBitrate] Bits per second of the largest size.
 * @property {boolean} [red] Send speech twice, the second time a packet later, so that single losses are not heard; on
 *   for a microphone where the browser can, unless a transform sees what is sent.
 * @property {boolean} [fec] Opus in-band forward error correction; on by default.
 * @property {boolean} [dtx] Send next to nothing while nobody speaks; off by default.
 * @property {"motion" | "detail" | "text"} [hint] What matters in a shared screen; "detail" by default.
 */

/**
 * Camera: three sizes, each half as wide as the next. Bits per second are what libwebrtc itself plans for 180, 360 and
 * 720 lines of VP8, a little less at the top, where a subscriber's 2 Mbit/s should carry a picture and sound.
 */
const CAMERA = [
  { rid: "q", scaleResolutionDownBy: 4, maxBitrate: 150_000 },
  { rid: "h", scaleResolutionDownBy: 2, maxBitrate: 500_000 },
  { rid: "f", scaleResolutionDownBy: 1, maxBitrate: 1_700_000 },
];
/**
 * Lines of the smallest size, and the lines we take an unknown picture to have. libwebrtc sends three sizes from 540
 * lines on, two from 270, and of more that it is told it leaves out the *largest*: a camera of 640 x 360 told to send
 * three never sent its own size.
 */
const LEAST_LINES = 135;
const USUAL_LINES = 720;

/** A shared screen: letters must stay sharp, so the small one saves frames first. */
const SCREEN = [
  { rid: "h", scaleResolutionDownBy: 2, maxBitrate: 300_000, maxFramerate: 5 },
  { rid: "f", scaleResolutionDownBy: 1, maxBitrate: 2_500_000, maxFramerate: 15 },
];
const MOTION_FRAMERATE = 30;

/** SVC: three sizes in one stream; upper ones build on lower ones at keyframes alone, so a switch down needs none. */
const SPATIAL_LAYERS = 3;

/** Codecs that carry no media of their own and go with whatever is sent. */
const COMPANIONS = new Set(["rtx", "red", "ulpfec", "flexfec-03", "cn", "telephone-event"]);

/** @param {{mimeType: string}} codec The name alone, in lower case: "vp8". */
export const nameOf = ({ mimeType }) => mimeType.split("/")[1].toLowerCase();

/**
 * Encodings for `addTransceiver`, smallest first.
 * @param {MediaStreamTrack} media @param {Source} source @param {PublishOptions} options
 * @returns {RTCRtpEncodingParameters[]}
 */
export function encodingsFor(media, source, { simulcast = true, svc = false, maxBitrate, hint } = {}) {
  if (media.kind !== "video") return [];
  const top = (encodings) => encodings.map((encoding, index) => ({
    ...encoding,
    ...(maxBitrate && index === encodings.length - 1 && { maxBitrate }),
  }));
  if (svc) return top([{ scalabilityMode: scalabilityMode(SPATIAL_LAYERS), maxBitrate: CAMERA.at(-1).maxBitrate }]);
  if (source === "screen") {
    const screen = hint === "motion" ? SCREEN.map((one) => ({ ...one, maxFramerate: MOTION_FRAMERATE })) : SCREEN;
    return top(simulcast ? screen : [withoutRid(screen.at(-1))]);
  }
  if (!simulcast) return top([withoutRid(CAMERA.at(-1))]);
  const lines = media.getSettings?.().height ?? USUAL_LINES;
  const useful = CAMERA.filter(({ scaleResolutionDownBy }) => lines / scaleResolutionDownBy >= LEAST_LINES);
  return top(useful.length > 1 ? useful : [withoutRid(CAMERA.at(-1))]);
}

function withoutRid({ rid: _rid, ...encoding }) {
  return encoding;
}

/** @param {number} layers */
export const scalabilityMode = (layers) => (layers > 1 ? `L${layers}T3_KEY` : "L1T3");

/**
 * The encodings as the node wants them: what nobody watches is not sent.
 * @param {RTCRtpEncodingParameters[]} encodings
 * @param {{encodings: Record<string, boolean>, spatial: number | null}} wanted
 */
export function asWanted(encodings, { encodings: wanted, spatial }) {
  const anything = Object.values(wanted).some(Boolean) || (spatial ?? -1) >= 0;
  return encodings.map((encoding) => {
    const active = encodings.length > 1 ? (wanted[encoding.rid ?? ""] ?? anything) : anything;
    if (!encoding.scalabilityMode || spatial === null || spatial === undefined || spatial < 0) return { ...encoding, active };
    // Fewer layers of the same smallest size: the picture shrinks with the layers above.
    const layers = Math.min(spatial + 1, SPATIAL_LAYERS);
    return { ...encoding, active, scalabilityMode: scalabilityMode(layers), scaleResolutionDownBy: 2 ** (SPATIAL_LAYERS - layers) };
  });
}

/**
 * Codecs in the order in which they are offered.
 * @template {{mimeType: string}} C
 * @param {C[]} codecs What the browser has. @param {Source} source @param {PublishOptions} options
 * @param {string[] | null} allowed What the others can play; anything when null.
 * @returns {C[]} Empty when none is left.
 */
export function orderCodecs(codecs, source, { codec, svc, red = source === "microphone" } = {}, allowed = null) {
  const wanted = codec ?? (svc ? "vp9" : "vp8");
  const rank = (one) => {
    const name = nameOf(one);
    if (name === "red" && one.mimeType.startsWith("audio")) return red ? 0 : 4;
    if (COMPANIONS.has(name)) return 3;
    return name === wanted || name === "opus" ? 1 : 2;
  };
  const may = (one) => !allowed || COMPANIONS.has(nameOf(one)) || allowed.includes(nameOf(one));
  const left = codecs.filter((one) => may(one) && rank(one) < 4);
  if (left.every((one) => COMPANIONS.has(nameOf(one)))) return [];
  return left.sort((one, other) => rank(one) - rank(other));
}

/**
 * An answer as if the far side wished for what we prefer to send: a browser sends the first codec of an answer, with the
 * Opus parameters that stand there.
 * @param {string} sdp
 * @param {Map<string, {order: string[], opus: {fec: boolean, dtx: boolean}}>} choices By mid; `order` names codecs.
 */
export function asChosen(sdp, choices) {
  return sdp
    .split(/(?=^m=)/m)
    .map((section) => {
      const choice = choices.get(/^a=mid:(\S+)/m.exec(section)?.[1] ?? "");
      return choice ? withOpus(inOrder(section, choice.order), choice.opus) : section;
    })
    .join("");
}

/** One m-line's section with its payload types in this order of codecs; what is not named follows as it was. */
function inOrder(section, order) {
  const names = new Map([...section.matchAll(/^a=rtpmap:(\d+) ([^/\s]+)/gm)].map(([, type, name]) => [type, name.toLowerCase()]));
  const rank = (type) => (order.indexOf(names.get(type) ?? "") + order.length + 1) % (order.length + 1);
  return section.replace(/^(m=\S+ \S+ \S+ )([\d ]+)/, (_, head, types) => {
    const sorted = types.trim().split(" ").sort((one, other) => rank(one) - rank(other));
    return head + sorted.join(" ");
  });
}

function withOpus(section, { fec, dtx }) {
  const type = /^a=rtpmap:(\d+) opus\//im.exec(section)?.[1];
  if (!type) return section;
  const said = `useinbandfec=${Number(fec)};usedtx=${Number(dtx)}`;
  const line = new RegExp(`^a=fmtp:${type} (.*?)(\\r?)$`, "m");
  if (!line.test(section)) return section.replace(/^(a=rtpmap:\d+ opus\/.*?)(\r?\n)/im, `$1$2a=fmtp:${type} ${said}$2`);
  return section.replace(line, (_, given, end) => {
    const kept = given.split(";").filter((one) => !/^\s*(useinbandfec|usedtx)=/.test(one));
    return `a=fmtp:${type} ${[...kept, said].join(";")}${end}`;
  });
}

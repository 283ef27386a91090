/**
 * A say in every encoded frame, such as to encrypt it from end to end: nodes forward whatever it becomes.
 *
 *     new Room({ room, name, transform: { sender: worker, receiver: worker } })
 *
 * Each side is a Worker or a function `(frame, controller)`, as in a `TransformStream`; without one, frames pass as they
 * are. A Worker is given a stream pair for each track: as `rtctransform` events where the browser has
 * `RTCRtpScriptTransform`, else as messages `{readable, writable, options}`; `options` says `{side, kind}`. An
 * incoming pair may carry another participant's track later on, so a frame has to say itself which key it needs. A
 * function runs in the page and needs `createEncodedStreams`, which not every browser has.
 */

import { StarlingError } from "./errors.js";

/** @typedef {Worker | ((frame: any, controller: TransformStreamDefaultController) => void | Promise<void>)} FrameTransform */
/** @typedef {{sender?: FrameTransform, receiver?: FrameTransform}} Transforms */

const hasScripts = () => typeof RTCRtpScriptTransform === "function";
const hasStreams = () => typeof RTCRtpSender === "function" && "createEncodedStreams" in RTCRtpSender.prototype;
const isFunction = (transform) => typeof transform === "function";

/** Whether frames go through streams of the page, which a peer connection must be made for. */
function usesStreams(transforms) {
  const used = [transforms?.sender, transforms?.receiver].filter(Boolean);
  return used.length > 0 && (!hasScripts() || used.some(isFunction));
}

function check(transforms) {
  const good = (one) => !one || isFunction(one) || typeof one.postMessage === "function";
  if (typeof transforms === "object" && good(transforms?.sender) && good(transforms?.receiver)) return;
  const sentence = "transform is { sender, receiver }, each a Worker or a function that takes a frame and a controller.";
  throw new StarlingError("argument_invalid", sentence);
}

/**
 * What a peer connection is to be made with.
 * @param {Transforms | null} transforms
 * @throws {StarlingError} `argument_invalid`; `transform_unsupported`: this browser cannot do that; sending unencrypted instead would be worse.
 */
export function configurationFor(transforms) {
  check(transforms);
  if (!usesStreams(transforms)) return {};
  if (!hasStreams()) {
    const sentence = "This browser lets no page see its encoded frames; use another one, or a Worker as transform.";
    throw new StarlingError("transform_unsupported", sentence);
  }
  return { encodedInsertableStreams: true };
}

/**
 * Have the frames of one track go through the transform.
 * @param {Transforms | null} transforms @param {"sender" | "receiver"} side
 * @param {RTCRtpSender | RTCRtpReceiver} end @param {string} kind
 */
export function applyTransform(transforms, side, end, kind) {
  if (!transforms) return;
  const transform = transforms[side];
  const options = { side, kind };
  if (!usesStreams(transforms)) {
    if (transform) end.transform = new RTCRtpScriptTransform(transform, options);
    return;
  }
  if (end.starlingStreams) return; // a pair is given once for the life of a sender or receiver
  end.starlingStreams = true;
  const { readable, writable } = end.createEncodedStreams();
  if (transform && !isFunction(transform)) {
    transform.postMessage({ readable, writable, options }, [readable, writable]);
    return;
  }
  const through = transform ? readable.pipeThrough(new TransformStream({ transform })) : readable;
  through.pipeTo(writable).catch(() => {}); // ends with its connection
}

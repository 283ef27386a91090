// A worker that encrypts what is sent and decrypts what is received, from end to end. XOR with a key stream keeps no
// secret from anybody; it shows as well as a real cipher that nodes forward what they cannot read.

const KEY = Number(self.name);

/**
 * Bytes of a frame that stay readable: what libwebrtc itself looks at to cut and join frames. VP8: the first 10 bytes of
 * a keyframe, 3 of another (RFC 6386 section 9.1); Opus: the first, which says the duration (RFC 6716 section 3.1).
 */
function readable(frame) {
  if (frame.type === "key") return 10;
  return frame.type === "delta" ? 3 : 1;
}

function turn(frame, controller) {
  const bytes = new Uint8Array(frame.data);
  for (let index = readable(frame); index < bytes.length; index += 1) bytes[index] ^= (KEY + 31 * index) & 0xff;
  frame.data = bytes.buffer;
  controller.enqueue(frame);
}

self.onrtctransform = ({ transformer: { readable: frames, writable } }) =>
  frames.pipeThrough(new TransformStream({ transform: turn })).pipeTo(writable).catch(() => {});

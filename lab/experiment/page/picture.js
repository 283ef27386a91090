// A picture that says whose it is: an 8-bit id, a 32-bit millisecond clock and a CRC-16 as 14 x 4 black and
// white cells. What a camera would do to such cells, a codec at low bitrate does too: so a cell is read as
// the mean of its middle, and only a matching checksum counts.

const COLUMNS = 14;
const ROWS = 4;
/** How large a picture is looked at, however large it is sent. */
const WIDTH = 320;
const HEIGHT = 180;

/** CRC-16/CCITT-FALSE over an array of bytes. */
function crc16(bytes) {
  let crc = 0xffff;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1) {
      crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff;
    }
  }
  return crc;
}

function bytesOf(id, clock) {
  return [id & 0xff, (clock >>> 24) & 0xff, (clock >>> 16) & 0xff, (clock >>> 8) & 0xff, clock & 0xff];
}

/** Milliseconds of the wall clock, wrapped to 32 bits: the same in every browser of one machine. */
const clock32 = () => (performance.timeOrigin + performance.now()) % 2 ** 32 >>> 0;

/**
 * A video track that shows `id` and the time of drawing, `rate` pictures a second, with so many grains of noise over it:
 * what makes a picture as dear as one that moves.
 */
export function paint(id, { width = WIDTH, height = HEIGHT, rate = 15, grains = 0 } = {}) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const draw = () => {
    const bytes = bytesOf(id, clock32());
    const crc = crc16(bytes);
    const bits = [...bytes, crc >> 8, crc & 0xff].flatMap((byte) =>
      [7, 6, 5, 4, 3, 2, 1, 0].map((shift) => (byte >> shift) & 1),
    );
    bits.forEach((bit, index) => {
      context.fillStyle = bit ? "#fff" : "#000";
      const x = Math.floor(((index % COLUMNS) * width) / COLUMNS);
      const y = Math.floor((Math.floor(index / COLUMNS) * height) / ROWS);
      context.fillRect(x, y, Math.ceil(width / COLUMNS), Math.ceil(height / ROWS));
    });
    for (let grain = 0; grain < grains; grain += 1) {
      context.fillStyle = Math.random() < 0.5 ? "#fff4" : "#0004";
      context.fillRect(Math.random() * width, Math.random() * height, 8, 8);
    }
  };
  draw();
  setInterval(draw, 1000 / rate);
  return canvas.captureStream(rate).getVideoTracks()[0];
}

/** Read one decoded frame: `{id, delay_ms}`, or null when the checksum does not hold. */
function readFrame(context, video) {
  context.drawImage(video, 0, 0, WIDTH, HEIGHT);
  const { data } = context.getImageData(0, 0, WIDTH, HEIGHT);
  const bits = [];
  for (let index = 0; index < COLUMNS * ROWS; index += 1) {
    const x0 = ((index % COLUMNS) + 0.3) * (WIDTH / COLUMNS);
    const y0 = (Math.floor(index / COLUMNS) + 0.3) * (HEIGHT / ROWS);
    let sum = 0;
    let count = 0;
    for (let y = y0; y < y0 + 0.4 * (HEIGHT / ROWS); y += 2) {
      for (let x = x0; x < x0 + 0.4 * (WIDTH / COLUMNS); x += 2) {
        sum += data[4 * (Math.floor(y) * WIDTH + Math.floor(x)) + 1];
        count += 1;
      }
    }
    bits.push(sum / count > 127 ? 1 : 0);
  }
  const bytes = [];
  for (let index = 0; index < 7; index += 1) {
    bytes.push(bits.slice(8 * index, 8 * index + 8).reduce((byte, bit) => byte * 2 + bit, 0));
  }
  if (crc16(bytes.slice(0, 5)) !== bytes[5] * 256 + bytes[6]) return null;
  const drawn = ((bytes[1] << 24) | (bytes[2] << 16) | (bytes[3] << 8) | bytes[4]) >>> 0;
  return { id: bytes[0], delay_ms: (clock32() - drawn) >>> 0 };
}

/**
 * Watch a received video track. The result grows: `{right: {id: count}, unreadable, first_ms, delays, sizes, gap_ms}`,
 * `first_ms` being the time from this call to the first readable picture; `sizes` has `{at_ms, width, height}` whenever
 * another size comes out of the decoder, and `gap_ms` is the longest time without a picture, both since `mark()`.
 * `told` hears of each readable picture: its id, and when it was shown.
 */
export function watch(track, before = null, told = (_id, _now) => {}) {
  const started = performance.now();
  let last = before?.last ?? null;
  let marked = started;
  const seen = {
    right: {},
    unreadable: 0,
    first_ms: null,
    delays: [],
    sizes: [],
    gap_ms: 0,
    last: null,
    mark() {
      marked = performance.now();
      seen.sizes = [];
      seen.gap_ms = 0;
    },
  };
  const video = document.createElement("video");
  video.muted = true;
  video.playsInline = true;
  video.srcObject = new MediaStream([track]);
  document.body.append(video);
  const canvas = document.createElement("canvas");
  canvas.width = WIDTH;
  canvas.height = HEIGHT;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const onFrame = (now, { width, height }) => {
    if (last !== null) seen.gap_ms = Math.max(seen.gap_ms, now - last);
    last = seen.last = now;
    const size = seen.sizes.at(-1);
    if (size?.width !== width || size.height !== height) seen.sizes.push({ at_ms: now - marked, width, height });
    const picture = readFrame(context, video);
    if (picture === null) {
      seen.unreadable += 1;
    } else {
      seen.first_ms ??= performance.now() - started;
      seen.right[picture.id] = (seen.right[picture.id] ?? 0) + 1;
      told(picture.id, now);
      if (seen.delays.length < 10_000) seen.delays.push(picture.delay_ms);
    }
    video.requestVideoFrameCallback(onFrame);
  };
  video.requestVideoFrameCallback(onFrame);
  video.play().catch(() => {});
  return seen;
}

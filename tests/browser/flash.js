// Flash and beep: a picture that turns white and a tone that starts at the same moment, again and again; and how far
// apart the two come out at the other end. Positive offsets: the sound comes after the picture.

const PERIOD_S = 0.8;
const LIT_S = 0.15;
const TONE_HZ = 1000;
const PICTURES_PER_S = 30;
/** A flash and a beep further apart than half a period cannot be told from their neighbours. */
const MAX_OFFSET_MS = (PERIOD_S * 1000) / 2;

/** A picture and a sound of the same moments. @returns {{video: MediaStreamTrack, audio: MediaStreamTrack}} */
export function emit({ width = 320, height = 180 } = {}) {
  const audio = new AudioContext({ sampleRate: 48_000 });
  const tone = new OscillatorNode(audio, { frequency: TONE_HZ });
  const gain = new GainNode(audio, { gain: 0 });
  const destination = new MediaStreamAudioDestinationNode(audio, { channelCount: 1 });
  tone.connect(gain).connect(destination);
  tone.start();

  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  const [video] = canvas.captureStream(0).getVideoTracks();
  const draw = (lit) => {
    context.fillStyle = lit ? "#fff" : "#000";
    context.fillRect(0, 0, width, height);
    // A little that moves, for an encoder that would leave out what stands still.
    context.fillStyle = "#888";
    context.fillRect((performance.now() / 10) % width, height - 8, 8, 8);
    video.requestFrame();
  };

  let lit = false;
  let edge = Math.ceil(audio.currentTime + 1);
  gain.gain.setValueAtTime(1, edge);
  const step = () => {
    const left_s = edge - audio.currentTime;
    if (left_s <= 0) {
      lit = !lit;
      edge += lit ? LIT_S : PERIOD_S - LIT_S;
      gain.gain.setValueAtTime(lit ? 0 : 1, edge);
    }
    draw(lit);
    setTimeout(step, Math.max(1, Math.min(1000 / PICTURES_PER_S, (edge - audio.currentTime) * 1000)));
  };
  step();
  return { video, audio: destination.stream.getAudioTracks()[0] };
}

const EAR = `
registerProcessor("ear", class extends AudioWorkletProcessor {
  quietSince = 0;
  process([[samples]]) {
    if (!samples) return true;
    for (let index = 0; index < samples.length; index += 1) {
      if (Math.abs(samples[index]) < 0.1) continue;
      const frame = currentFrame + index;
      if (frame - this.quietSince > sampleRate * 0.3) this.port.postMessage(frame / sampleRate);
      this.quietSince = frame;
    }
    return true;
  }
});`;

/** Watch for flashes. @param {MediaStreamTrack} track @returns {number[]} when each was shown; it grows */
function see(track) {
  const times = [];
  const video = document.createElement("video");
  Object.assign(video, { muted: true, playsInline: true, srcObject: new MediaStream([track]) });
  document.body.append(video);
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: 4, height: 4 });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  let lit = true;
  const look = (_now, { expectedDisplayTime }) => {
    context.drawImage(video, 0, 0, 4, 4);
    const bright = context.getImageData(1, 1, 1, 1).data[1] > 127;
    if (bright && !lit) times.push(expectedDisplayTime);
    lit = bright;
    video.requestVideoFrameCallback(look);
  };
  video.requestVideoFrameCallback(look);
  video.play().catch(() => {});
  return times;
}

/** Listen for beeps. @param {MediaStreamTrack} track @returns {Promise<number[]>} when each began; it grows */
async function hear(track) {
  const stream = new MediaStream([track]);
  // Chromium hands a remote sound to Web Audio only while an element plays it, too.
  const element = new Audio();
  Object.assign(element, { muted: true, srcObject: stream });
  element.play().catch(() => {});
  const audio = new AudioContext({ sampleRate: 48_000, latencyHint: "interactive" });
  await audio.audioWorklet.addModule(URL.createObjectURL(new Blob([EAR], { type: "text/javascript" })));
  const ear = new AudioWorkletNode(audio, "ear", { numberOfOutputs: 0 });
  const times = [];
  ear.port.onmessage = ({ data }) => {
    const { contextTime, performanceTime } = audio.getOutputTimestamp();
    times.push((data - contextTime) * 1000 + performanceTime);
  };
  audio.createMediaStreamSource(stream).connect(ear);
  return times;
}

/**
 * Measure how far sound and picture are apart from now on. What the two ways of looking add by themselves (the latency
 * of an output that nobody listens to) is the same at both ends: measure at the source too, and take that off.
 * @param {MediaStreamTrack} video @param {MediaStreamTrack} audio
 * @returns {Promise<() => number[]>} asks for the offset in ms of each pair so far
 */
export async function measure(video, audio) {
  const flashes = see(video);
  const beeps = await hear(audio);
  return () =>
    flashes.flatMap((flash) => {
      const near = beeps.map((beep) => beep - flash).filter((offset) => Math.abs(offset) < MAX_OFFSET_MS);
      return near.length === 1 ? near : [];
    });
}

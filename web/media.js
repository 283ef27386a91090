/** Camera and microphone: as many of them as there are, as many as are allowed, and a sentence about the rest. */

const PICTURE = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 25, max: 30 } };
const SOUND = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };

const SENTENCES = {
  NotAllowedError: "this page may not use it. The switch is in the browser's address bar.",
  NotFoundError: "there is none here.",
  NotReadableError: "another program is using it.",
  OverconstrainedError: "the one you picked is gone.",
};

/**
 * Get one track; null with a sentence when there is none to be had.
 * @param {"audio" | "video"} kind
 * @param {string} [device]
 * @returns {Promise<{track: MediaStreamTrack | null, problem: string, reason: string}>}
 */
export async function capture(kind, device) {
  if (!navigator.mediaDevices?.getUserMedia) {
    const problem = "browsers give camera and microphone only to pages that come by https (or from this machine).";
    return { track: null, problem, reason: "insecure" };
  }
  const wanted = { ...(kind === "video" ? PICTURE : SOUND), ...(device && { deviceId: { exact: device } }) };
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ [kind]: wanted });
    return { track: stream.getTracks()[0], problem: "", reason: "" };
  } catch (error) {
    return { track: null, problem: SENTENCES[error.name] ?? "the browser could not start it.", reason: error.name };
  }
}

/**
 * Have the person choose a screen, window or tab; its sound too, where the browser gives that.
 * @returns {Promise<{tracks: MediaStreamTrack[], problem: string}>} no tracks and no problem when they changed their mind
 */
export async function captureScreen() {
  try {
    const stream = await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: { max: 30 } }, audio: true });
    return { tracks: stream.getTracks(), problem: "" };
  } catch (error) {
    const problem = error.name === "NotAllowedError" ? "" : "The browser could not share a screen.";
    return { tracks: [], problem };
  }
}

/** Fill a picker with the devices of a kind. @param {HTMLSelectElement} picker @param {"audioinput" | "videoinput"} kind */
export async function fillPicker(picker, kind, current) {
  const devices = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
  const usable = devices.filter((device) => device.kind === kind && device.deviceId);
  picker.replaceChildren(...usable.map((device, index) => new Option(device.label || `Number ${index + 1}`, device.deviceId)));
  picker.disabled = usable.length === 0;
  if (usable.length === 0) picker.add(new Option("None"));
  else if (current) picker.value = current.getSettings().deviceId ?? picker.value;
}

/** Says how loud a track of ours is, 0 to 1. */
export class Meter {
  #context = null;
  #analyser = null;
  #samples = null;

  /** @param {MediaStreamTrack | null} track */
  listen(track) {
    this.#context?.close();
    this.#context = this.#analyser = null;
    if (!track) return;
    this.#context = new AudioContext();
    this.#analyser = this.#context.createAnalyser();
    this.#analyser.fftSize = 512;
    this.#samples = new Float32Array(this.#analyser.fftSize);
    this.#context.createMediaStreamSource(new MediaStream([track])).connect(this.#analyser);
  }

  /** After a click; browsers start no audio before one. */
  wake() {
    this.#context?.resume();
  }

  get level() {
    if (!this.#analyser) return 0;
    this.#analyser.getFloatTimeDomainData(this.#samples);
    const power = this.#samples.reduce((sum, sample) => sum + sample * sample, 0) / this.#samples.length;
    return Math.min(1, Math.sqrt(power) * 4);
  }
}

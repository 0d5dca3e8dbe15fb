/** Shows how loud a microphone is, so that nobody goes on stage silent. */

const BARS_PER_SECOND = 20;
/** Speech peaks around -12 dBFS; everything below -60 dBFS counts as silence. */
const FLOOR_DB = -60;

export class LevelMeter {
  #context = null;
  #timer = 0;
  #root;

  /** @param {HTMLElement} root gets `--level` 0..1 and role meter */
  constructor(root) {
    this.#root = root;
    root.setAttribute('role', 'meter');
    root.setAttribute('aria-valuemin', '0');
    root.setAttribute('aria-valuemax', '100');
    this.#show(0);
  }

  /** @param {MediaStream} stream */
  start(stream) {
    this.stop();
    if (!stream.getAudioTracks().length) return;
    this.#context = new AudioContext();
    const analyser = this.#context.createAnalyser();
    analyser.fftSize = 1024;
    this.#context.createMediaStreamSource(new MediaStream(stream.getAudioTracks())).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    let level = 0;
    this.#timer = setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      // Falls slowly and rises at once, as meters do, so that short sounds can be seen.
      level = Math.max(loudness(samples), level * 0.85);
      this.#show(level);
    }, 1000 / BARS_PER_SECOND);
  }

  stop() {
    clearInterval(this.#timer);
    this.#context?.close();
    this.#context = null;
    this.#show(0);
  }

  #show(level) {
    this.#root.style.setProperty('--level', level.toFixed(3));
    this.#root.setAttribute('aria-valuenow', String(Math.round(level * 100)));
  }
}

function loudness(samples) {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  const db = 10 * Math.log10(sum / samples.length + 1e-12);
  return Math.min(1, Math.max(0, (db - FLOOR_DB) / -FLOOR_DB));
}

/** Camera preview, device lists and a level meter: for whoever is about to speak. */
import { el, icon } from './dom.js';
import { setText } from './i18n.js';
import { LevelMeter } from './level-meter.js';
import { MediaProblem, listDevices, openDevices, rememberDevices, rememberedDevices, stopStream } from './media-access.js';
import { problemCard } from './problem-card.js';

export class DevicePicker {
  /** @type {MediaStream|null} */ stream = null;
  #choice = rememberedDevices();
  #onChange;
  #isClosed = false;

  /**
   * @param {HTMLElement} root
   * @param {{onStream?: (stream: MediaStream|null) => void,
   *          onTrack?: (kind: 'audio'|'video', track: MediaStreamTrack) => void}} [options]
   *   `onTrack`: a device was swapped while somebody uses the stream; they take the track over.
   */
  constructor(root, { onStream = () => {}, onTrack } = {}) {
    this.onStream = onStream;
    this.onTrack = onTrack;
    this.video = el('video', { class: 'preview-video', testid: 'preview', attrs: { playsinline: true, autoplay: true } });
    this.video.muted = true;
    this.problemBox = el('div', { class: 'preview-problem' });
    this.placeholder = el('div', { class: 'preview-empty' }, icon('camera-off'), el('span', { key: 'devices.no_picture' }));
    const meter = el('div', { class: 'level-meter', testid: 'level-meter', label: 'devices.level' });
    this.meter = new LevelMeter(meter);
    this.cameras = this.#select('camera');
    this.microphones = this.#select('microphone');
    root.append(
      el('div', { class: 'preview' }, this.video, this.placeholder, this.problemBox),
      el('div', { class: 'device-rows' },
        el('label', { class: 'device-row' }, icon('camera'), this.cameras),
        el('label', { class: 'device-row' }, icon('mic'), this.microphones)),
      meter,
    );
    this.#onChange = () => this.#fill();
    navigator.mediaDevices?.addEventListener?.('devicechange', this.#onChange);
  }

  /** Ask for the devices; shows what is wrong when that fails. @returns {Promise<MediaStream|null>} */
  async open({ camera = true } = {}) {
    this.problemBox.replaceChildren();
    try {
      const stream = await this.#openBest(camera);
      if (this.#isClosed) {
        stopStream(stream);
        return null;
      }
      this.#use(stream);
    } catch (error) {
      if (!(error instanceof MediaProblem)) throw error;
      this.#use(null);
      this.problemBox.replaceChildren(problemCard(error.code, () => this.open({ camera })));
    }
    await this.#fill();
    return this.stream;
  }

  /** Give the stream away: `close` will not stop it. */
  take() {
    const { stream } = this;
    this.stream = null;
    return stream;
  }

  close() {
    this.#isClosed = true;
    this.meter.stop();
    this.video.srcObject = null;
    stopStream(this.stream);
    this.stream = null;
    navigator.mediaDevices?.removeEventListener?.('devicechange', this.#onChange);
  }

  /** A missing camera must not keep a person from speaking, nor a missing microphone from showing. */
  async #openBest(camera) {
    const wanted = { camera: camera && (this.#choice.camera || true), microphone: this.#choice.microphone || true };
    try {
      return await openDevices(wanted);
    } catch (error) {
      if (!(error instanceof MediaProblem) || !['no_device', 'device_busy'].includes(error.code) || !camera) throw error;
      return openDevices({ ...wanted, camera: false }).catch(() => openDevices({ camera: wanted.camera }));
    }
  }

  #use(stream) {
    if (this.stream && this.stream !== stream) stopStream(this.stream);
    this.stream = stream;
    const hasPicture = Boolean(stream?.getVideoTracks().length);
    this.placeholder.hidden = hasPicture || stream === null;
    this.video.hidden = !hasPicture;
    this.video.srcObject = stream;
    if (stream) this.meter.start(stream);
    else this.meter.stop();
    this.onStream(stream);
  }

  async #fill() {
    const { cameras, microphones } = await listDevices();
    fillSelect(this.cameras, cameras, this.#current('video'), 'devices.no_camera');
    fillSelect(this.microphones, microphones, this.#current('audio'), 'devices.no_microphone');
  }

  #current(kind) {
    return this.stream?.getTracks().find((track) => track.kind === kind)?.getSettings().deviceId;
  }

  #select(source) {
    const label = source === 'camera' ? 'devices.camera' : 'devices.microphone';
    return el('select', { label, testid: `${source}-select`, on: { change: (event) => this.#choose(source, event.target.value) } });
  }

  async #choose(source, deviceId) {
    this.#choice = { ...this.#choice, [source]: deviceId };
    rememberDevices(this.#choice);
    if (!this.stream) {
      await this.open();
      return;
    }
    try {
      const fresh = await openDevices({ [source]: deviceId });
      await this.#swap(fresh.getTracks()[0]);
    } catch (error) {
      if (!(error instanceof MediaProblem)) throw error;
      this.problemBox.replaceChildren(problemCard(error.code, () => this.open()));
    }
  }

  async #swap(track) {
    if (this.onTrack) await this.onTrack(track.kind, track);
    if (!this.stream.getTracks().includes(track)) {
      for (const old of this.stream.getTracks()) {
        if (old.kind !== track.kind) continue;
        this.stream.removeTrack(old);
        old.stop();
      }
      this.stream.addTrack(track);
    }
    const { stream } = this;
    this.stream = null; // the same stream goes back in; it must not be stopped on the way
    this.#use(stream);
  }
}

function fillSelect(select, devices, current, emptyKey) {
  select.replaceChildren(
    ...devices.map((device, index) => {
      const option = el('option', { attrs: { value: device.deviceId } });
      if (device.label) option.textContent = device.label;
      else setText(option, 'devices.number', { n: index + 1 });
      return option;
    }),
  );
  if (!devices.length) select.append(el('option', { key: emptyKey, attrs: { value: '' } }));
  select.disabled = devices.length === 0;
  if (current) select.value = current;
}

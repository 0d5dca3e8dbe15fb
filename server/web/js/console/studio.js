/** The host's own camera: preview, go live, come back after a reload, end the show. */
import { confirmDialog } from '../ui/dialog.js';
import { setIcon } from '../ui/dom.js';
import { DevicePicker } from '../ui/device-picker.js';
import { setText } from '../ui/i18n.js';
import { tabFlag } from '../ui/session.js';
import { toast, accepted, toastError } from '../ui/toast.js';

export class Studio {
  #room;
  #stage;
  #isOnAir = false;
  #isBusy = false;
  /** Devices stay shut while the host sends from somewhere else. */ #isWaitingForSeat = false;
  #picker;

  /**
   * @param {{root: HTMLElement, goLive: HTMLButtonElement, endShow: HTMLButtonElement, title: HTMLInputElement,
   *          micButton: HTMLButtonElement, camButton: HTMLButtonElement}} parts
   * @param {import('../lianmai.js').Room} room
   * @param {import('../ui/video-stage.js').VideoStage} stage
   */
  constructor(parts, room, stage) {
    this.parts = parts;
    this.#room = room;
    this.#stage = stage;
    this.#picker = new DevicePicker(parts.root, {
      onStream: (stream) => this.#streamChanged(stream),
      onTrack: (kind, track) => this.#trackChanged(kind, track),
    });
    parts.goLive.addEventListener('click', () => this.goLive());
    parts.endShow.addEventListener('click', () => this.#end());
    parts.micButton.addEventListener('click', () => this.toggle('microphone'));
    parts.camButton.addEventListener('click', () => this.toggle('camera'));
    for (const topic of ['show', 'stage']) room.addEventListener(topic, () => this.#show());
    room.addEventListener('media', ({ detail }) => this.#mediaChanged(detail));
    this.#show();
    this.#open();
  }

  async goLive() {
    if (this.#isBusy || this.#isOnAir) return;
    this.#isBusy = true;
    this.#show();
    try {
      const stream = this.#picker.stream ?? (await this.#picker.open());
      if (!stream) return;
      await this.#startShow();
      this.#setOnAir(true);
      await this.#room.publish(stream);
    } catch (error) {
      this.#setOnAir(false);
      if (error.code !== 'closed') toastError(error);
    } finally {
      this.#isBusy = false;
      this.#show();
    }
  }

  /** Mute or show again one's own source. @param {'microphone'|'camera'} source */
  toggle(source) {
    const isMuted = !this.#room.media.publication.isMuted(source);
    this.#room.setMuted(source, isMuted);
    for (const track of this.#picker.stream?.getTracks() ?? []) {
      if ((track.kind === 'audio') === (source === 'microphone')) track.enabled = !isMuted;
    }
    const button = source === 'microphone' ? this.parts.micButton : this.parts.camButton;
    const symbol = source === 'microphone' ? 'mic' : 'camera';
    button.setAttribute('aria-pressed', String(isMuted));
    setIcon(button.querySelector('svg'), isMuted ? `${symbol}-off` : symbol);
  }

  async #open() {
    // Somebody who sends from OBS needs no second camera; it may even be in use there.
    await this.#room.joined;
    const mine = this.#room.about().seat;
    const cameBack = tabFlag(this.#flag()) === true;
    if (mine && mine.sources.length && !cameBack) {
      this.#isWaitingForSeat = true;
      return;
    }
    const stream = await this.#picker.open();
    const { phase } = this.#room.state.show;
    if (stream && cameBack && (phase === 'live' || phase === 'host_lost')) await this.goLive();
  }

  async #startShow() {
    const { phase } = this.#room.state.show;
    if (phase === 'live' || phase === 'host_lost') return;
    try {
      await this.#room.startShow(this.parts.title.value.trim());
    } catch (error) {
      if (error.code !== 'already_live') throw error; // OBS or another console was faster: join it
    }
  }

  async #end() {
    const isSure = await confirmDialog({ title: 'console.end_title', text: 'console.end_text', ok: 'console.end', isDanger: true });
    if (!isSure) return;
    this.parts.endShow.disabled = true;
    if (await accepted(this.#room.endShow())) this.#setOnAir(false);
    this.parts.endShow.disabled = false;
  }

  #mediaChanged({ kind, state, error }) {
    if (kind !== 'publish') return;
    if ((state === 'idle' || state === 'failed') && this.#isOnAir && !this.#isBusy) {
      this.#setOnAir(false);
      if (error?.code === 'replaced') toast('console.replaced', {}, 'bad');
    }
    this.#show();
  }

  #setOnAir(isOnAir) {
    this.#isOnAir = isOnAir;
    tabFlag(this.#flag(), isOnAir);
    if (!isOnAir) this.#room.unpublish();
    this.#stage.setLocal(isOnAir ? this.#picker.stream : null);
    this.#show();
  }

  #streamChanged(stream) {
    if (this.#isOnAir) this.#stage.setLocal(stream);
    this.#show();
  }

  async #trackChanged(kind, track) {
    if (!this.#isOnAir) return;
    try {
      await this.#room.replaceTrack(kind === 'video' ? 'camera' : 'microphone', track);
    } catch (error) {
      toastError(error); // a source that was not published before needs a new start
    }
  }

  #show() {
    const { phase } = this.#room.state.show;
    const isOpen = phase === 'live' || phase === 'host_lost';
    const { goLive, endShow, title } = this.parts;
    const mine = this.#room.about().seat;
    const sendsElsewhere = Boolean(mine?.sources.length) && !this.#isOnAir;
    document.body.classList.toggle('is-on-air', this.#isOnAir);
    document.body.classList.toggle('is-elsewhere', sendsElsewhere);
    if (this.#isWaitingForSeat && !sendsElsewhere) {
      this.#isWaitingForSeat = false;
      this.#picker.open();
    }
    goLive.hidden = this.#isOnAir || sendsElsewhere;
    goLive.disabled = this.#isBusy || this.#picker.stream === null || this.#room.connection !== 'joined';
    setText(goLive.querySelector('.btn-label'), isOpen ? 'console.resume' : 'console.go_live');
    endShow.hidden = !isOpen;
    title.hidden = isOpen;
  }

  #flag() {
    return `lianmai.air.${location.pathname}`;
  }
}

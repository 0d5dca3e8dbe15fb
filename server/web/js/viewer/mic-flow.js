/**
 * A viewer's way onto the stage and off it: request or invitation, devices, publishing, leaving.
 * What to do follows from the room's state alone, so a resumed or reloaded page ends up right.
 */
import { el, icon, setIcon } from '../ui/dom.js';
import { confirmDialog } from '../ui/dialog.js';
import { minutes } from '../ui/format.js';
import { setAttr, setText } from '../ui/i18n.js';
import { MediaProblem, openDevices, rememberedDevices, stopStream } from '../ui/media-access.js';
import { tabFlag } from '../ui/session.js';
import { accepted, toast, toastError } from '../ui/toast.js';
import { openInvite, openRequest } from './invite-dialog.js';

export class MicFlow {
  #room;
  #stage;
  /** @type {MediaStream|null} opened in the mirror, waiting for the seat */ #ready = null;
  /** @type {MediaStream|null} */ #onAir = null;
  #isStarting = false;
  /** @type {(Promise<any> & {close: () => void})|null} */ #dialog = null;
  #dialogFor = 0;
  #wasSeated = false;

  /**
   * @param {{button: HTMLButtonElement, bar: HTMLElement}} parts the request button; controls while on stage
   * @param {import('../lianmai.js').Room} room
   * @param {import('../ui/video-stage.js').VideoStage} stage
   */
  constructor({ button, bar }, room, stage) {
    this.button = button;
    this.label = button.querySelector('.btn-label');
    this.bar = bar;
    this.#room = room;
    this.#stage = stage;
    this.#buildBar();
    button.addEventListener('click', () => this.#pressed());
    for (const topic of ['stage', 'show']) room.addEventListener(topic, () => this.#follow());
    room.addEventListener('media', ({ detail }) => this.#mediaChanged(detail));
    room.addEventListener('message', ({ detail }) => this.#heard(detail));
    setInterval(() => this.#showButton(), 1000);
    this.#showButton();
  }

  // --- following the room -----------------------------------------------------------------------

  #follow() {
    const { seat, invite } = this.#room.about();
    this.#followInvite(invite, seat);
    if (seat && !this.#onAir && !this.#isStarting && this.#mayPublish()) this.#goOnAir();
    if (!seat && this.#onAir) this.#goOffAir();
    if (!seat && this.#wasSeated) tabFlag(this.#flag(), null);
    this.#wasSeated = seat !== null;
    this.#showBar(seat);
    this.#showButton();
  }

  #followInvite(invite, seat) {
    const isOpen = invite !== null && seat === null && invite.expires_ms > this.#room.now();
    if (isOpen && this.#dialogFor !== invite.invited_ms) this.#offer(invite);
    else if (!isOpen && this.#dialog) this.#dialog.close();
  }

  async #offer(invite) {
    this.#dialogFor = invite.invited_ms;
    this.#dialog?.close();
    const dialog = openInvite(invite, this.#room);
    this.#dialog = dialog;
    const answer = await dialog;
    if (this.#dialog === dialog) this.#dialog = null;
    if (answer === null) return;
    if (answer === 'declined') {
      await accepted(this.#room.declineInvite());
      return;
    }
    this.#keep(answer.stream, answer.media);
    if (!(await accepted(this.#room.acceptInvite()))) this.#release();
  }

  // --- the button -------------------------------------------------------------------------------

  async #pressed() {
    const { seat, request } = this.#room.about();
    if (seat) await this.#leave();
    else if (request) await accepted(this.#room.cancelRequest());
    else await this.#request();
  }

  async #request() {
    const chosen = await openRequest();
    if (!chosen) return;
    // The camera is shut again while waiting: nobody should sit under a red light for minutes.
    stopStream(chosen.stream);
    tabFlag(this.#flag(), { media: chosen.media });
    if (await accepted(this.#room.requestMic(chosen.media))) toast('request.sent', {}, 'ok');
  }

  async #leave() {
    const isSure = await confirmDialog({ title: 'stage.leave', text: 'stage.leave_text', ok: 'stage.leave', isDanger: true });
    if (isSure) await accepted(this.#room.leaveSeat());
  }

  #showButton() {
    const { seat, request } = this.#room.about();
    const { phase } = this.#room.state.show;
    const state = seat ? 'seated' : request ? 'waiting' : 'idle';
    this.button.dataset.state = state;
    this.button.disabled = state === 'idle' && (phase !== 'live' || !this.#room.can('request_mic'));
    setIcon(this.button.querySelector('svg'), state === 'seated' ? 'leave' : 'hand');
    if (state === 'waiting') setText(this.label, 'request.waiting', { time: minutes(this.#room.now() - request.requested_ms) });
    else setText(this.label, state === 'seated' ? 'stage.leave' : 'request.button');
    setAttr(this.button, 'aria-label', { seated: 'stage.leave', waiting: 'request.cancel', idle: 'request.button' }[state]);
  }

  // --- on stage ---------------------------------------------------------------------------------

  /** Only the tab that asked for the seat sends; another tab of the same person just watches. */
  #mayPublish() {
    return this.#ready !== null || tabFlag(this.#flag()) !== null;
  }

  async #goOnAir() {
    this.#isStarting = true;
    try {
      const stream = this.#ready ?? (await this.#openAgain());
      this.#ready = null;
      if (!this.#room.about().seat) {
        stopStream(stream);
        return;
      }
      this.#onAir = stream;
      this.#stage.setLocal(stream);
      this.#stage.setSound(true);
      this.#showBar(this.#room.about().seat);
      toast('stage.on_air', {}, 'ok');
      await this.#room.publish(stream);
    } catch (error) {
      if (error instanceof MediaProblem) toast(`problem.${error.code}.title`, {}, 'bad');
      else if (error.code !== 'closed') toastError(error);
    } finally {
      this.#isStarting = false;
    }
  }

  #openAgain() {
    const { media } = tabFlag(this.#flag()) ?? { media: 'video' };
    const { camera, microphone } = rememberedDevices();
    return openDevices({ camera: media === 'video' && (camera || true), microphone: microphone || true });
  }

  #goOffAir() {
    this.#room.unpublish();
    stopStream(this.#onAir);
    this.#onAir = null;
    this.#stage.setLocal(null);
  }

  #mediaChanged({ kind, state, error }) {
    if (kind !== 'publish' || state !== 'idle' || !this.#onAir) return;
    stopStream(this.#onAir);
    this.#onAir = null;
    this.#stage.setLocal(null);
    if (error?.code === 'replaced') toast('stage.replaced', {}, 'bad');
  }

  #heard(message) {
    const isMine = message.subject === this.#room.state.you?.subject;
    if (message.type === 'seat_left' && isMine) toast(`stage.left.${message.reason}`);
    else if (message.type === 'mic_request_ended' && isMine && message.outcome === 'rejected') toast('request.rejected');
    else if (message.type === 'invite_ended' && isMine && ['expired', 'cancelled'].includes(message.outcome)) toast(`invite.ended.${message.outcome}`);
  }

  #buildBar() {
    this.micButton = this.#toggle('microphone', 'mic', 'stage.mute_mic');
    this.camButton = this.#toggle('camera', 'camera', 'stage.stop_camera');
    this.notice = el('span', { class: 'self-notice', testid: 'self-notice' });
    this.bar.append(el('span', { class: 'live-dot' }), el('span', { class: 'self-text', key: 'stage.you_are_live' }), this.notice, this.micButton, this.camButton);
  }

  #toggle(source, symbol, key) {
    const button = el('button', { class: 'icon-btn', label: key, testid: `self-${source}`, attrs: { type: 'button', 'aria-pressed': 'false' } }, icon(symbol));
    button.addEventListener('click', () => {
      const isMuted = button.getAttribute('aria-pressed') !== 'true';
      this.#room.setMuted(source, isMuted);
      button.setAttribute('aria-pressed', String(isMuted));
      setIcon(button.querySelector('svg'), isMuted ? `${symbol}-off` : symbol);
    });
    return button;
  }

  #showBar(seat) {
    this.bar.hidden = !seat || !this.#onAir;
    this.camButton.hidden = !this.#onAir?.getVideoTracks().length;
    const isMutedByHost = seat?.muted.includes('microphone') ?? false;
    this.notice.hidden = !isMutedByHost;
    if (isMutedByHost) setText(this.notice, 'stage.muted_by_host');
  }

  #keep(stream, media) {
    this.#ready = stream;
    tabFlag(this.#flag(), { media });
  }

  #release() {
    stopStream(this.#ready);
    this.#ready = null;
  }

  #flag() {
    return `lianmai.mic.${this.#room.state.room}`;
  }
}

/** One seat on screen: picture or avatar, name, mutes, and why there is no picture. */
import { el, icon, setAvatar } from './dom.js';
import { minutes, nameOf, setName } from './format.js';
import { setText } from './i18n.js';

/** Waits this long for `slot_live` before frames that arrive are believed on their own. */
const TRUST_FRAMES_AFTER_MS = 2_500;
/** Above this difference of shape, a picture is shown whole instead of cut to fill. */
const CROP_UP_TO = 1.45;

export class StageTile {
  /** @param {number} seat @param {(tile: StageTile) => void} onBlocked the browser refused sound */
  constructor(seat, onBlocked) {
    this.seat = seat;
    this.onBlocked = onBlocked;
    this.isLocal = false;
    this.isShown = false;
    this.wantsSound = false;
    this.video = el('video', { class: 'tile-video', testid: `stage-video-${seat}`, attrs: { playsinline: true, autoplay: true } });
    this.video.muted = true;
    this.video.disablePictureInPicture = false;
    this.avatar = el('span', { class: 'avatar avatar-big', attrs: { 'aria-hidden': 'true' } });
    this.hint = el('span', { class: 'tile-hint' });
    this.name = el('span', { class: 'tile-name-text' });
    this.role = el('span', { class: 'tag' });
    this.micOff = icon('mic-off');
    this.camOff = icon('camera-off');
    this.controls = el('div', { class: 'tile-controls' });
    this.node = el('section', { class: 'tile', testid: `seat-${seat}`, attrs: { 'data-seat': seat } },
      this.video,
      el('div', { class: 'tile-empty' }, this.avatar, this.hint),
      el('div', { class: 'tile-name' }, this.role, this.name, this.micOff, this.camOff),
      this.controls);
    for (const type of ['resize', 'loadeddata', 'emptied']) {
      this.video.addEventListener(type, () => {
        this.#paint();
        this.#fit();
      });
    }
    this.resizes = new ResizeObserver(() => this.#fit());
    this.resizes.observe(this.node);
  }

  remove() {
    this.resizes.disconnect();
    clearTimeout(this.trustTimer);
    this.video.srcObject = null;
    this.node.remove();
  }

  /**
   * @param {import('../sdk/types.js').Seat} seat
   * @param {import('../sdk/playback.js').SeatMedia|null} media
   * @param {MediaStream|null} local one's own stream, shown instead
   */
  show(seat, media, local) {
    this.seatView = seat;
    this.isLocal = local !== null;
    this.node.dataset.subject = seat.subject;
    this.node.classList.toggle('is-local', this.isLocal);
    setName(this.name, seat);
    this.node.setAttribute('aria-label', nameOf(seat));
    this.role.className = `tag tag-${seat.role === 'host' ? 'host' : 'guest'}`;
    setText(this.role, seat.role === 'host' ? 'role.host' : 'role.guest');
    setAvatar(this.avatar, seat);
    this.#showFlags(seat, media);
    this.#attach(local ?? media?.stream ?? null);
    this.#showPicture(seat, media, local);
  }

  /** Turn sound on or off; a local tile always stays silent. */
  setSound(isOn) {
    this.wantsSound = isOn;
    this.video.muted = this.isLocal || !isOn;
    this.#play();
  }

  /** Update what counts down. @param {number} now server clock */
  tick(now) {
    const until = this.seatView?.reconnecting_until_ms;
    if (until) setText(this.hint, 'stage.reconnecting', { time: minutes(until - now) });
  }

  #showFlags(seat, media) {
    this.micOff.classList.toggle('is-on', seat.muted.includes('microphone') || !seat.sources.includes('microphone'));
    this.camOff.classList.toggle('is-on', seat.muted.includes('camera'));
    this.node.classList.toggle('is-reconnecting', Boolean(seat.reconnecting_until_ms));
    if (seat.reconnecting_until_ms) return; // `tick` writes the hint
    const sendsPicture = seat.sources.includes('camera') || seat.sources.includes('screen');
    if (media?.problem === 'any' && sendsPicture) setText(this.hint, 'stage.no_codec');
    else if (media?.problem && sendsPicture) setText(this.hint, 'stage.unsupported_codec', { codec: media.problem });
    else if (seat.muted.includes('camera')) setText(this.hint, 'stage.camera_muted');
    else if (seat.sources.includes('microphone') && !seat.sources.includes('camera')) setText(this.hint, 'stage.audio_only');
    else setText(this.hint, 'stage.loading');
  }

  #showPicture(seat, media, local) {
    const isCameraMuted = seat.muted.includes('camera') && !local;
    const hasLocal = Boolean(local?.getVideoTracks().length);
    const isPending = !local && media?.video === 'pending' && !media.problem;
    const isShown = !isCameraMuted && (local ? hasLocal : media?.video === 'live' && !media.problem);
    this.isShown = isShown;
    this.node.classList.toggle('is-pending', isPending);
    this.#paint();
    clearTimeout(this.trustTimer);
    if (isPending) this.trustTimer = setTimeout(() => this.#trustFrames(), TRUST_FRAMES_AFTER_MS);
  }

  #trustFrames() {
    this.video.requestVideoFrameCallback?.(() => {
      if (this.node.classList.contains('is-pending')) this.isShown = true;
      this.#paint();
    });
  }

  /** The avatar stays until there is something to see: a live slot without frames is not black. */
  #paint() {
    this.node.classList.toggle('has-picture', this.isShown && this.video.videoWidth > 0);
  }

  #attach(stream) {
    const isNew = this.video.srcObject !== stream;
    if (isNew) this.video.srcObject = stream;
    this.video.muted = this.isLocal || !this.wantsSound;
    if (stream && (isNew || this.video.paused)) this.#play();
  }

  async #play() {
    const { video } = this;
    if (!video.srcObject) return;
    try {
      await video.play();
    } catch (error) {
      // AbortError: a newer stream took its place. NotAllowedError: sound without a gesture.
      if (error.name !== 'NotAllowedError' || video.muted) return;
      this.onBlocked(this);
    }
  }

  #fit() {
    const { videoWidth, videoHeight } = this.video;
    const { clientWidth, clientHeight } = this.node;
    if (!videoWidth || !clientWidth) return;
    const difference = (videoWidth / videoHeight) / (clientWidth / clientHeight);
    // Small tiles are faces: better cut at the edges than shrunk to a strip.
    const isSmall = this.seat !== 0;
    const isClose = isSmall || (difference < CROP_UP_TO && difference > 1 / CROP_UP_TO);
    this.node.classList.toggle('is-whole', !isClose);
    this.node.classList.toggle('is-landscape', videoWidth > videoHeight);
  }
}

/** The stage: the host large, guests as tiles; follows the room's state and media by itself. */
import { oncePerFrame, prefersCalm } from './dom.js';
import { onLangChange } from './i18n.js';
import { StageTile } from './stage-tile.js';

const TICK_MS = 1000;
const BACKDROP_MS = 500;

export class VideoStage {
  /** @type {Map<number, StageTile>} */ #tiles = new Map();
  /** What the room was told to shape slots by. @type {Map<number, {element: Element|null, end: () => void}>} */
  #watches = new Map();
  #room;
  #local = null;
  #sound = false;
  #onSound;
  #decorate;
  #onRendered;
  #render = oncePerFrame(() => this.#renderNow());

  /**
   * @param {HTMLElement} root
   * @param {object} options
   * @param {import('../lianmai.js').Room} options.room
   * @param {HTMLCanvasElement} [options.backdrop] gets a blurred copy of the host's picture
   * @param {(isOn: boolean) => void} [options.onSound] sound went on, or the browser blocks it
   * @param {(tile: StageTile, seat: import('../sdk/types.js').Seat) => void} [options.decorate] per-seat controls
   * @param {(seats: number) => void} [options.onRendered] how many seats are taken
   */
  constructor(root, { room, backdrop, onSound = () => {}, decorate = () => {}, onRendered = () => {} }) {
    this.root = root;
    this.#room = room;
    this.#onSound = onSound;
    this.#decorate = decorate;
    this.#onRendered = onRendered;
    // Browsers let a page with an earlier gesture speak at once; others start silent with a button.
    this.#sound = navigator.userActivation?.hasBeenActive ?? false;
    for (const topic of ['welcome', 'stage', 'show', 'seat_media']) room.addEventListener(topic, this.#render);
    onLangChange(this.#render); // initials and labels of people without a name
    setInterval(() => this.#tick(), TICK_MS);
    if (backdrop && !prefersCalm()) setInterval(() => this.#paint(backdrop), BACKDROP_MS);
    this.#onSound(this.#sound);
    this.#render();
  }

  get isSoundOn() {
    return this.#sound;
  }

  setSound(isOn) {
    this.#sound = isOn;
    for (const tile of this.#tiles.values()) tile.setSound(isOn);
    this.#onSound(isOn);
  }

  /** Show one's own stream in one's own seat; null removes it. @param {MediaStream|null} stream */
  setLocal(stream) {
    this.#local = stream;
    this.#render();
  }

  refresh() {
    this.#render();
  }

  #renderNow() {
    const { state } = this.#room;
    const isOpen = state.show.phase === 'live' || state.show.phase === 'host_lost';
    const seats = isOpen ? state.stage.seats : [];
    for (const [number, tile] of this.#tiles) {
      if (seats.some((seat) => seat.seat === number)) continue;
      tile.remove();
      this.#tiles.delete(number);
      this.#watches.get(number)?.end();
      this.#watches.delete(number);
    }
    for (const seat of seats) this.#renderSeat(seat);
    this.root.dataset.count = String(seats.length);
    this.root.dataset.guests = String(seats.filter((seat) => seat.seat !== 0).length);
    this.#onRendered(seats.length);
  }

  #renderSeat(seat) {
    const isMine = seat.subject === this.#room.state.you?.subject;
    let tile = this.#tiles.get(seat.seat);
    if (!tile) {
      tile = new StageTile(seat.seat, () => this.setSound(false));
      this.#tiles.set(seat.seat, tile);
      tile.wantsSound = this.#sound;
      this.#insert(tile);
    }
    tile.show(seat, this.#room.media.playback.seat(seat.seat), isMine ? this.#local : null);
    tile.tick(this.#room.now());
    this.#watch(tile);
    this.#decorate(tile, seat);
  }

  /** A mirror needs no picture from the server. */
  #watch(tile) {
    const element = tile.isLocal ? null : tile.node;
    const known = this.#watches.get(tile.seat);
    if (known && known.element === element) return;
    const end = this.#room.media.watch(tile.seat, element);
    known?.end();
    this.#watches.set(tile.seat, { element, end });
  }

  /** In seat order, so that focus order follows the eye; a moved video element would stop. */
  #insert(tile) {
    const next = [...this.#tiles.values()].filter((other) => other.seat > tile.seat).sort((a, b) => a.seat - b.seat)[0];
    this.root.insertBefore(tile.node, next?.node ?? null);
  }

  #tick() {
    for (const tile of this.#tiles.values()) tile.tick(this.#room.now());
  }

  /** A few pixels, blurred by CSS: a living background for pictures that do not fill the screen. */
  #paint(canvas) {
    const video = this.#tiles.get(0)?.video;
    if (document.visibilityState === 'hidden' || !video || video.readyState < 2 || !video.videoWidth) return;
    canvas.getContext('2d')?.drawImage(video, 0, 0, canvas.width, canvas.height);
  }
}

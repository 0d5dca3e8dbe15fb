/**
 * The downlink: one PeerConnection with the room's number of receive-only slots. Which seat a slot
 * shows is told by messages (`slots`, `slot_assigned`, `slot_live`), never by a new offer.
 */
import { withAudioNack } from './audio-nack.js';
import { MediaLink } from './link.js';
import { SlotShapes } from './slot-shapes.js';

/** A resumed socket must tell the slot map within this time, else the server lost our transport. */
const MAP_WITHIN_MS = 4_000;
const VIDEO_SOURCES_BY_WEIGHT = ['screen', 'camera'];

/**
 * @typedef {object} SeatMedia What one seat shows and says here.
 * @property {number} seat
 * @property {string} subject
 * @property {MediaStream} stream Stable for a seat; its tracks change.
 * @property {'none'|'pending'|'live'} video `pending`: its first picture is on its way.
 * @property {boolean} audio
 * @property {string|null} problem Codec that this browser lacks; `any`: it has none for the pictures of this room.
 */

export class Playback {
  /** @type {Map<string, import('./types.js').SlotMap>} by mid */ #slots = new Map();
  /** @type {Map<string, number>} by mid: generation whose first key frame left */ #live = new Map();
  /** @type {Map<string, number>} by mid: seat whose picture was last live in it */ #shown = new Map();
  /** @type {Map<string, {generation: number, codec: string}>} by mid */ #problems = new Map();
  /** @type {Map<number, SeatMedia>} */ #seats = new Map();
  /** @type {RTCRtpTransceiver[]} */ #transceivers = [];
  /** The answer left out every slot for pictures. */ #isBlind = false;
  #mapTimer = 0;
  /** @type {Promise<void>|null} */ #started = null;
  #onSeat;
  #counts;

  /**
   * @param {Omit<import('./link.js').LinkOptions, 'kind'|'build'|'message'>} link
   * @param {() => {audio: number, video: number}} counts slots of the room
   * @param {(media: SeatMedia) => void} onSeat
   * @param {(message: import('./types.js').Message) => boolean} send
   */
  constructor(link, counts, onSeat, send) {
    this.#onSeat = onSeat;
    this.shapes = new SlotShapes((shape) => send({ type: 'shape_slot', peer_id: this.link.peerId, ...shape }));
    this.#counts = counts;
    this.link = new MediaLink({
      ...link,
      kind: 'play',
      build: (pc) => this.#build(pc),
      message: (pc) => ({ type: 'play', sdp: withAudioNack(pc.localDescription.sdp) }),
      onAnswer: () => this.#answered(),
    });
  }

  /** Idempotent: a running downlink is never offered anew by asking twice. */
  start() {
    this.#started ??= this.link.start();
    return this.#started;
  }

  stop(options) {
    this.#started = null;
    this.link.stop(options);
    this.#slots.clear();
    this.#refresh();
  }

  /** @returns {SeatMedia[]} */
  get seats() {
    return [...this.#seats.values()];
  }

  /** Which seat's slot this is. @param {string} mid @returns {number|null} */
  seatOf(mid) {
    return this.#slots.get(mid)?.seat ?? null;
  }

  /** @param {number} seat @returns {SeatMedia|null} */
  seat(seat) {
    return this.#seats.get(seat) ?? null;
  }

  handleWelcome(isSame) {
    const expected = isSame && this.link.peerId;
    this.link.handleWelcome(isSame);
    clearTimeout(this.#mapTimer);
    if (expected) this.#mapTimer = setTimeout(() => this.link.handleWelcome(false), MAP_WITHIN_MS);
  }

  /** @param {import('./types.js').Message} message one about slots; others' peers are ignored */
  handle(message) {
    if (message.peer_id !== this.link.peerId) return;
    switch (message.type) {
      case 'slots':
        clearTimeout(this.#mapTimer);
        this.#slots = new Map(message.slots.map((slot) => [slot.mid, slot]));
        this.shapes.resend();
        break;
      case 'slot_assigned':
        if (isOlder(message.slot, this.#slots.get(message.slot.mid))) return;
        this.#slots.set(message.slot.mid, message.slot);
        break;
      case 'slot_live':
        this.#live.set(message.mid, Math.max(message.generation, this.#live.get(message.mid) ?? 0));
        break;
      case 'slot_problem':
        this.#problems.set(message.mid, { generation: message.generation, codec: message.codec });
        break;
      default:
        return;
    }
    this.#refresh();
  }

  #build(pc) {
    this.#slots.clear();
    this.#live.clear();
    this.#shown.clear();
    this.#problems.clear();
    this.#isBlind = false;
    this.shapes.reset();
    this.#refresh();
    const { audio, video } = this.#counts();
    const add = (kind) => pc.addTransceiver(kind, { direction: 'recvonly' });
    this.#transceivers = [
      ...Array.from({ length: audio }, () => add('audio')),
      ...Array.from({ length: video }, () => add('video')),
    ];
  }

  #answered() {
    const pictures = this.#transceivers.filter((transceiver) => transceiver.receiver.track.kind === 'video');
    this.#isBlind = pictures.length > 0 && pictures.every((transceiver) => transceiver.currentDirection !== 'recvonly');
    if (this.#isBlind) this.#refresh();
  }

  /** Recompute every seat from the slot map and tell the ones that changed. */
  #refresh() {
    const bySeat = new Map();
    for (const slot of this.#slots.values()) {
      if (slot.seat === null || slot.seat === undefined) continue;
      if (!bySeat.has(slot.seat)) bySeat.set(slot.seat, []);
      bySeat.get(slot.seat).push(slot);
    }
    for (const seat of new Set([...bySeat.keys(), ...this.#seats.keys()])) {
      this.#refreshSeat(seat, bySeat.get(seat) ?? []);
    }
    this.shapes.setSlots(shownSlots(bySeat));
  }

  #refreshSeat(seat, slots) {
    const old = this.#seats.get(seat);
    const stream = old?.stream ?? new MediaStream();
    const video = shownVideo(slots);
    const audios = slots.filter((slot) => !isVideo(slot));
    const tracks = [video, ...audios].filter(Boolean).map((slot) => this.#track(slot.mid)).filter(Boolean);
    setTracks(stream, tracks);
    /** @type {SeatMedia} */
    const media = {
      seat,
      subject: slots[0]?.subject ?? '',
      stream,
      video: video ? this.#videoState(video) : 'none',
      audio: audios.length > 0,
      problem: video ? this.#problem(video) : this.#isBlind ? 'any' : null,
      tracks: tracks.map((track) => track.id).join(),
    };
    if (slots.length) this.#seats.set(seat, media);
    else this.#seats.delete(seat);
    if (!old || SEAT_FIELDS.some((field) => old[field] !== media[field])) this.#onSeat(media);
  }

  #track(mid) {
    return this.#transceivers.find((transceiver) => transceiver.mid === mid)?.receiver.track ?? null;
  }

  /** A seat whose source restarted keeps its last picture; another seat's is never shown. */
  #videoState(slot) {
    if ((this.#live.get(slot.mid) ?? -1) >= slot.generation) this.#shown.set(slot.mid, slot.seat);
    return this.#shown.get(slot.mid) === slot.seat ? 'live' : 'pending';
  }

  #problem(slot) {
    const problem = this.#problems.get(slot.mid);
    return problem && problem.generation === slot.generation ? problem.codec : null;
  }
}

const SEAT_FIELDS = ['subject', 'video', 'audio', 'problem', 'tracks'];

function isVideo(slot) {
  return VIDEO_SOURCES_BY_WEIGHT.includes(slot.source);
}

/** Of a seat that sends both, the screen is shown. */
function shownVideo(slots) {
  return VIDEO_SOURCES_BY_WEIGHT.map((source) => slots.find((slot) => slot.source === source)).find(Boolean);
}

/** @returns {Map<string, number>} see `SlotShapes.setSlots` */
function shownSlots(bySeat) {
  const shown = new Map();
  for (const [seat, slots] of bySeat) {
    for (const slot of slots.filter(isVideo)) shown.set(slot.mid, slot === shownVideo(slots) ? seat : -1);
  }
  return shown;
}

function isOlder(slot, known) {
  return known !== undefined && slot.generation < known.generation;
}

function setTracks(stream, tracks) {
  for (const track of stream.getTracks()) if (!tracks.includes(track)) stream.removeTrack(track);
  for (const track of tracks) stream.addTrack(track);
}

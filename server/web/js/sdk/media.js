/**
 * The media of one room connection: at most one publication (uplink) and one playback (downlink),
 * each on a transport of its own. `offersSent` counts offers, so that anybody can see that a guest
 * on stage costs the viewers none.
 */
import { watchNetwork } from './ice-restart.js';
import { Playback } from './playback.js';
import { Publication } from './publication.js';
import { QualityReport } from './quality-report.js';
import { QualityMeter } from './quality.js';

/** Phases in which there is something to receive. */
const OPEN_PHASES = new Set(['live', 'host_lost']);
const SLOT_MESSAGES = new Set(['slots', 'slot_assigned', 'slot_live', 'slot_problem']);

export class RoomMedia {
  offersSent = 0;
  #conn = null;
  #meter = new QualityMeter();
  #slots;
  #reports;
  #unwatchNetwork;

  /**
   * @param {object} options
   * @param {import('./commands.js').Commands} options.commands
   * @param {(message: import('./types.js').Message) => boolean} options.send false: it did not leave
   * @param {() => boolean} options.isJoined
   * @param {() => boolean} options.renewIceServers see `LinkOptions`
   * @param {import('./state.js').RoomState} options.state
   * @param {(media: import('./playback.js').SeatMedia) => void} options.onSeat
   * @param {(detail: {kind: 'publish'|'play', state: string, error: Error|null}) => void} options.onState
   */
  constructor({ commands, send, isJoined, renewIceServers, state, onSeat, onState }) {
    const link = (kind) => ({
      commands,
      isJoined,
      counters: this,
      iceServers: () => state.iceServers,
      renewIceServers,
      onState: (linkState, error) => {
        if (linkState === 'up') this.#isUp(kind);
        onState({ kind, state: linkState, error });
      },
      onJoin: (split) => {
        // A sender's first frame is nothing that anybody waited to see.
        const seen = kind === 'publish' ? { ...split, first_frame_ms: null } : split;
        send({ type: 'report_join', peer_id: this.#linkOf(kind).peerId, ...seen });
      },
    });
    this.publication = new Publication(link('publish'), () => state.you?.role === 'host');
    const isOpen = () => OPEN_PHASES.has(state.show.phase);
    this.playback = new Playback({ ...link('play'), isOpen }, () => state.slots, onSeat, send);
    const { shapes } = this.playback;
    this.#slots = {
      wasHidden: (mid, sinceMs) => shapes.wasHidden(mid, sinceMs),
      seatOf: (mid) => this.playback.seatOf(mid),
    };
    const report = (kind, type) => new QualityReport({ link: () => this.#linkOf(kind), type, slots: this.#slots, send });
    this.#reports = { publish: report('publish', 'outbound-rtp'), play: report('play', 'inbound-rtp') };
    this.#unwatchNetwork = watchNetwork(() => {
      this.publication.link.mend();
      this.playback.link.mend();
    });
  }

  /** What sends; null while nothing does. @type {RTCPeerConnection|null} */
  get uplink() {
    return this.publication.link.pc;
  }

  /** What receives. @type {RTCPeerConnection|null} */
  get downlink() {
    return this.playback.link.pc;
  }

  /** How long the running transports took to come up. */
  get joinTimes() {
    const of = (kind) => this.#linkOf(kind).joinTimes?.split ?? null;
    return { publish: of('publish'), play: of('play') };
  }

  /** The best layer wanted; null: whatever fits. @type {import('./slot-shapes.js').LayerName|null} */
  get maxLayer() {
    return this.playback.shapes.maxLayer;
  }

  /** @param {import('./slot-shapes.js').LayerName|null} layer */
  setMaxLayer(layer) {
    this.playback.shapes.setMaxLayer(layer);
  }

  /**
   * Say which element shows a seat, so that its picture comes no larger than it is shown; null for
   * a seat that nobody looks at. @param {number} seat @param {Element|null} element
   * @returns {() => void} ends it
   */
  watch(seat, element) {
    return this.playback.shapes.watch(seat, element);
  }

  /** @param {import('./types.js').Message} message */
  handle(message) {
    if (message.type === 'welcome') this.#welcomed(message);
    else if (SLOT_MESSAGES.has(message.type)) this.playback.handle(message);
    else if (message.type === 'peer_state') {
      if (!this.publication.link.handlePeerState(message)) this.playback.link.handlePeerState(message);
    } else if (message.type === 'show_changed') {
      if (OPEN_PHASES.has(message.show.phase)) this.playback.link.kick();
    }
  }

  quality() {
    return this.#meter.read(this.uplink, this.downlink, this.#slots);
  }

  close() {
    this.publication.stop({ tell: false });
    this.playback.stop({ tell: false });
    this.playback.shapes.close();
    for (const report of Object.values(this.#reports)) report.close();
    this.#unwatchNetwork();
  }

  #isUp(kind) {
    this.#meter.begin(this.#linkOf(kind).pc);
    this.#reports[kind].begin();
  }

  #linkOf(kind) {
    return (kind === 'publish' ? this.publication : this.playback).link;
  }

  #welcomed(welcome) {
    const isSame = this.#conn === welcome.conn;
    this.#conn = welcome.conn;
    this.publication.link.handleWelcome(isSame);
    this.playback.handleWelcome(isSame);
  }
}

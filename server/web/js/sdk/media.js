/**
 * The media of one room connection: at most one publication (uplink) and one playback (downlink),
 * each on a transport of its own. `offersSent` counts offers, so that anybody can see that a guest
 * on stage costs the viewers none.
 */
import { Playback } from './playback.js';
import { Publication } from './publication.js';
import { QualityMeter } from './quality.js';

/** Phases in which there is something to receive. */
const OPEN_PHASES = new Set(['live', 'host_lost']);
const SLOT_MESSAGES = new Set(['slots', 'slot_assigned', 'slot_live', 'slot_problem']);

export class RoomMedia {
  offersSent = 0;
  #conn = null;
  #meter = new QualityMeter();

  /**
   * @param {object} options
   * @param {import('./commands.js').Commands} options.commands
   * @param {() => boolean} options.isJoined
   * @param {() => boolean} options.renewIceServers see `LinkOptions`
   * @param {import('./state.js').RoomState} options.state
   * @param {(media: import('./playback.js').SeatMedia) => void} options.onSeat
   * @param {(detail: {kind: 'publish'|'play', state: string, error: Error|null}) => void} options.onState
   */
  constructor({ commands, isJoined, renewIceServers, state, onSeat, onState }) {
    const link = (kind) => ({
      commands,
      isJoined,
      counters: this,
      iceServers: () => state.iceServers,
      renewIceServers,
      onState: (linkState, error) => onState({ kind, state: linkState, error }),
    });
    this.publication = new Publication(link('publish'), () => state.you?.role === 'host');
    const isOpen = () => OPEN_PHASES.has(state.show.phase);
    this.playback = new Playback({ ...link('play'), isOpen }, () => state.slots, onSeat);
  }

  /** What sends; null while nothing does. @type {RTCPeerConnection|null} */
  get uplink() {
    return this.publication.link.pc;
  }

  /** What receives. @type {RTCPeerConnection|null} */
  get downlink() {
    return this.playback.link.pc;
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
    return this.#meter.read(this.uplink, this.downlink);
  }

  close() {
    this.publication.stop({ tell: false });
    this.playback.stop({ tell: false });
  }

  #welcomed(welcome) {
    const isSame = this.#conn === welcome.conn;
    this.#conn = welcome.conn;
    this.publication.link.handleWelcome(isSame);
    this.playback.handleWelcome(isSame);
  }
}

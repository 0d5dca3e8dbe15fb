/** Tells the server every ten seconds what this side sees of one transport. */
import { QualityMeter } from './quality.js';

const REPORT_EVERY_MS = 10_000;

export class QualityReport {
  #meter = new QualityMeter();
  #options;
  #timer = 0;
  /** @type {RTCPeerConnection|null} */ #pc = null;
  #told = { freezes: 0, freezeMs: 0 };

  /**
   * @param {object} options
   * @param {() => import('./link.js').MediaLink} options.link
   * @param {'outbound-rtp'|'inbound-rtp'} options.type
   * @param {object} [options.slots] see `QualityMeter.readOne`
   * @param {(message: import('./types.js').Message) => boolean} options.send
   */
  constructor(options) {
    this.#options = options;
  }

  /** The link is up, on a connection that may be a new one. */
  begin() {
    const { pc } = this.#options.link();
    if (pc === this.#pc) return;
    this.close();
    this.#pc = pc;
    this.#told = { freezes: 0, freezeMs: 0 };
    this.#meter.begin(pc);
    this.#timer = setInterval(() => this.#report(), REPORT_EVERY_MS);
  }

  close() {
    clearInterval(this.#timer);
    this.#pc = null;
  }

  async #report() {
    const { link, type, slots, send } = this.#options;
    if (link().pc !== this.#pc) {
      this.close(); // `begin` comes with the next connection
      return;
    }
    const { pc, peerId } = link();
    const seen = await this.#meter.readOne(pc, type, slots);
    send(reportMessage(peerId, seen, this.#told));
    this.#told = seen;
  }
}

/** Whole numbers within the bounds of the protocol. */
function reportMessage(peerId, seen, told) {
  const freezeMs = Math.max(0, seen.freezeMs - told.freezeMs);
  return {
    type: 'report_quality',
    peer_id: peerId,
    window_ms: Math.min(600_000, Math.max(1, seen.windowMs)),
    rtt_ms: seen.rttMs,
    jitter_ms: seen.jitterMs,
    loss_pm: Math.round(1000 * seen.lossRatio),
    fps: Math.round(seen.fps),
    width: seen.width,
    height: seen.height,
    kbps_in: Math.round(seen.bpsIn / 1000),
    kbps_out: Math.round(seen.bpsOut / 1000),
    freezes: Math.max(0, seen.freezes - told.freezes),
    freeze_ms: Math.min(600_000, freezeMs),
    concealed_pm: Math.min(1000, Math.round(1000 * seen.concealedRatio)),
    av_skew_ms: seen.avSkewMs !== null && Math.abs(seen.avSkewMs) <= 600_000 ? seen.avSkewMs : null,
  };
}

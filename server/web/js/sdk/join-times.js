/** How long one transport took to come up, split at what a person could have waited for. */

/** Looked for this often (ms) at first, later less: `getStats` is not free. */
const LOOK_EVERY_MS = 40;
const LOOK_LATER_MS = 250;
const LATER_AFTER_MS = 2_000;
/** What did not happen this long after the answer is reported as not known. */
const GIVE_UP_AFTER_MS = 10_000;

/**
 * @typedef {object} JoinSplit Milliseconds since the ask began; null when not known.
 * @property {number|null} http_ms The answer was there.
 * @property {number|null} ice_ms
 * @property {number|null} dtls_ms
 * @property {number|null} first_packet_ms Arrived (playing) or left (publishing).
 * @property {number|null} first_frame_ms Decoded or encoded.
 */

export class JoinTimes {
  /** @type {JoinSplit} */
  split = { http_ms: null, ice_ms: null, dtls_ms: null, first_packet_ms: null, first_frame_ms: null };
  #beganAt = performance.now();
  #answeredAt = 0;
  #timer = 0;
  #isOver = false;
  #pc;
  #onDone;

  /**
   * The ask begins now.
   * @param {RTCPeerConnection} pc
   * @param {(split: JoinSplit) => void} onDone Once: all is known, or will not be.
   */
  constructor(pc, onDone) {
    this.#pc = pc;
    this.#onDone = onDone;
    pc.addEventListener('iceconnectionstatechange', () => {
      if (['connected', 'completed'].includes(pc.iceConnectionState)) this.#mark('ice_ms');
    });
    pc.addEventListener('connectionstatechange', () => {
      if (pc.connectionState === 'connected') this.#mark('dtls_ms');
    });
  }

  answered() {
    this.#mark('http_ms');
    this.#answeredAt = performance.now();
    this.#look();
  }

  stop() {
    clearTimeout(this.#timer);
    this.#isOver = true;
  }

  async #look() {
    const stats = await this.#pc.getStats();
    if (this.#isOver) return;
    for (const record of stats.values()) {
      if (record.type !== 'inbound-rtp' && record.type !== 'outbound-rtp') continue;
      if (record.packetsReceived || record.packetsSent) this.#mark('first_packet_ms');
      if (record.framesDecoded || record.framesEncoded) this.#mark('first_frame_ms');
    }
    const waitedMs = performance.now() - this.#answeredAt;
    const isDone = this.split.dtls_ms !== null && this.split.first_frame_ms !== null;
    if (isDone || waitedMs > GIVE_UP_AFTER_MS) {
      this.stop();
      this.#onDone(this.split);
    } else {
      this.#timer = setTimeout(() => this.#look(), waitedMs < LATER_AFTER_MS ? LOOK_EVERY_MS : LOOK_LATER_MS);
    }
  }

  #mark(name) {
    this.split[name] ??= Math.round(performance.now() - this.#beganAt);
  }
}

/** Reads `getStats` of both directions into a few figures that a page can show. */

/**
 * @typedef {object} Quality
 * @property {'good'|'fair'|'poor'|'none'} level The worse of both directions.
 * @property {number|null} rttMs
 * @property {Direction|null} publish
 * @property {Direction|null} play
 *
 * @typedef {object} Direction
 * @property {number} bps
 * @property {number} lossRatio Over the time since the last reading, 0..1.
 * @property {number} fps Of the largest picture.
 * @property {number} width
 * @property {number} height
 * @property {number} framesDecoded Zero when sending.
 * @property {number} freezes Since the connection began.
 */

export class QualityMeter {
  /** @type {WeakMap<RTCPeerConnection, {at: number, bytes: number, packets: number, lost: number}>} */
  #last = new WeakMap();

  /** @param {RTCPeerConnection|null} publishPc @param {RTCPeerConnection|null} playPc @returns {Promise<Quality>} */
  async read(publishPc, playPc) {
    const up = publishPc ? await this.#read(publishPc, 'outbound-rtp') : null;
    const down = playPc ? await this.#read(playPc, 'inbound-rtp') : null;
    const rttMs = up?.rttMs ?? down?.rttMs ?? null;
    const loss = Math.max(up?.direction.lossRatio ?? 0, down?.direction.lossRatio ?? 0);
    return {
      level: up || down ? levelOf(loss, rttMs) : 'none',
      rttMs,
      publish: up?.direction ?? null,
      play: down?.direction ?? null,
    };
  }

  async #read(pc, type) {
    const stats = [...(await pc.getStats()).values()];
    const streams = stats.filter((record) => record.type === type);
    const video = streams.filter((record) => record.kind === 'video');
    const largest = video.reduce((best, record) => ((record.frameHeight ?? 0) > (best?.frameHeight ?? 0) ? record : best), null);
    const now = { at: performance.now(), ...totals(streams, stats, type) };
    const before = this.#last.get(pc) ?? { at: now.at - 1000, bytes: 0, packets: 0, lost: 0 };
    this.#last.set(pc, now);
    const packets = Math.max(0, now.packets - before.packets);
    const lost = Math.max(0, now.lost - before.lost);
    const pair = stats.find((record) => record.type === 'candidate-pair' && record.nominated && record.state === 'succeeded');
    return {
      rttMs: pair?.currentRoundTripTime === undefined ? null : Math.round(pair.currentRoundTripTime * 1000),
      direction: {
        bps: Math.round((8000 * Math.max(0, now.bytes - before.bytes)) / Math.max(1, now.at - before.at)),
        lossRatio: lost / Math.max(1, packets + lost),
        fps: largest?.framesPerSecond ?? 0,
        width: largest?.frameWidth ?? 0,
        height: largest?.frameHeight ?? 0,
        framesDecoded: sum(video, 'framesDecoded'),
        freezes: sum(video, 'freezeCount'),
      },
    };
  }
}

function totals(streams, stats, type) {
  if (type === 'inbound-rtp') {
    return { bytes: sum(streams, 'bytesReceived'), packets: sum(streams, 'packetsReceived'), lost: sum(streams, 'packetsLost') };
  }
  const remote = stats.filter((record) => record.type === 'remote-inbound-rtp');
  return { bytes: sum(streams, 'bytesSent'), packets: sum(streams, 'packetsSent'), lost: sum(remote, 'packetsLost') };
}

function sum(records, field) {
  return records.reduce((total, record) => total + (record[field] ?? 0), 0);
}

function levelOf(loss, rttMs) {
  if (loss > 0.08 || (rttMs ?? 0) > 600) return 'poor';
  if (loss > 0.02 || (rttMs ?? 0) > 250) return 'fair';
  return 'good';
}

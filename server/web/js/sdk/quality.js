/** Reads `getStats` of both directions into a few figures that a page can show. */

/**
 * @typedef {object} Quality
 * @property {'good'|'fair'|'poor'|'none'} level The worse of both directions.
 * @property {number|null} rttMs
 * @property {Direction|null} publish
 * @property {Direction|null} play
 *
 * @typedef {object} Direction Rates are over the time since the last reading.
 * @property {'good'|'fair'|'poor'} level
 * @property {number|null} rttMs
 * @property {number} windowMs Since the last reading.
 * @property {number} bps Of this direction: sent, or received.
 * @property {number} bpsIn
 * @property {number} bpsOut
 * @property {number} lossRatio 0..1
 * @property {number|null} jitterMs The worst stream's.
 * @property {number} fps Of the largest picture.
 * @property {number} width
 * @property {number} height
 * @property {number} framesDecoded Zero when sending.
 * @property {number} freezes Since the connection began, without those of hidden slots.
 * @property {number} freezeMs
 * @property {number} concealedRatio Of the sound played, how much was made up.
 * @property {number|null} avSkewMs How much later than its sound the largest picture is shown.
 * @property {'udp'|'tcp'|'relay'|null} path
 * @property {{rid: string, width: number, height: number, fps: number}[]} layers Being sent; empty when playing.
 */

/** @typedef {(mid: string, sinceMs: number) => boolean} WasHidden */

/** Counters of all streams of a direction, as they stood at a reading. */
const NOTHING = { bytesIn: 0, bytesOut: 0, packets: 0, lost: 0, samples: 0, concealed: 0 };
export class QualityMeter {
  /** @type {WeakMap<RTCPeerConnection, {at: number, totals: typeof NOTHING, freezes: FreezeCount}>} */
  #last = new WeakMap();

  /** A connection is up: its first reading is over the time since now. @param {RTCPeerConnection} pc */
  begin(pc) {
    if (!this.#last.has(pc)) this.#last.set(pc, { at: performance.now(), totals: NOTHING, freezes: new FreezeCount() });
    return this.#last.get(pc);
  }

  /**
   * @param {RTCPeerConnection|null} publishPc
   * @param {RTCPeerConnection|null} playPc
   * @param {{wasHidden?: WasHidden, seatOf?: (mid: string) => number|null}} [slots]
   * @returns {Promise<Quality>}
   */
  async read(publishPc, playPc, slots = {}) {
    const publish = publishPc ? await this.readOne(publishPc, 'outbound-rtp') : null;
    const play = playPc ? await this.readOne(playPc, 'inbound-rtp', slots) : null;
    return {
      level: worse(publish?.level, play?.level),
      rttMs: publish?.rttMs ?? play?.rttMs ?? null,
      publish,
      play,
    };
  }

  /**
   * @param {RTCPeerConnection} pc
   * @param {'outbound-rtp'|'inbound-rtp'} type
   * @param {{wasHidden?: WasHidden, seatOf?: (mid: string) => number|null}} [slots]
   * @returns {Promise<Direction>}
   */
  async readOne(pc, type, { wasHidden = () => false, seatOf = () => null } = {}) {
    const stats = [...(await pc.getStats()).values()];
    const streams = stats.filter((record) => record.type === type);
    const video = streams.filter((record) => record.kind === 'video');
    const at = performance.now();
    const totals = totalsOf(stats, streams, type);
    const last = this.begin(pc);
    last.freezes.add(video, (mid) => wasHidden(mid, last.at));
    this.#last.set(pc, { at, totals, freezes: last.freezes });
    const windowMs = Math.max(1, at - last.at);
    const grown = (name) => Math.max(0, totals[name] - last.totals[name]);
    const lossRatio = ratio(grown('lost'), grown('packets') + grown('lost'));
    const { rttMs, path } = pathOf(stats);
    const largest = largestOf(video);
    const [bpsIn, bpsOut] = ['bytesIn', 'bytesOut'].map((name) => Math.round((8000 * grown(name)) / windowMs));
    return {
      level: levelOf(lossRatio, rttMs),
      rttMs,
      windowMs: Math.round(windowMs),
      bps: type === 'inbound-rtp' ? bpsIn : bpsOut,
      bpsIn,
      bpsOut,
      lossRatio,
      jitterMs: jitterMs(stats, type),
      fps: largest?.framesPerSecond ?? 0,
      width: largest?.frameWidth ?? 0,
      height: largest?.frameHeight ?? 0,
      framesDecoded: sum(video, 'framesDecoded'),
      freezes: last.freezes.count,
      freezeMs: Math.round(last.freezes.ms),
      concealedRatio: ratio(grown('concealed'), grown('samples')),
      avSkewMs: avSkewMs(streams, largest, seatOf),
      path,
      layers: layersOf(video),
    };
  }
}

/** Freezes that somebody saw: a slot that was hidden stood still because nothing was sent. */
class FreezeCount {
  count = 0;
  ms = 0;
  /** @type {Map<string, {count: number, ms: number}>} by stats id */ #last = new Map();

  add(records, isHidden) {
    for (const record of records) {
      const now = { count: record.freezeCount ?? 0, ms: 1000 * (record.totalFreezesDuration ?? 0) };
      const last = this.#last.get(record.id) ?? { count: 0, ms: 0 };
      this.#last.set(record.id, now);
      if (isHidden(record.mid)) continue;
      this.count += Math.max(0, now.count - last.count);
      this.ms += Math.max(0, now.ms - last.ms);
    }
  }
}

function totalsOf(stats, streams, type) {
  const transports = stats.filter((record) => record.type === 'transport');
  const isIn = type === 'inbound-rtp';
  const counted = isIn ? streams : stats.filter((record) => record.type === 'remote-inbound-rtp');
  return {
    bytesIn: isIn ? sum(streams, 'bytesReceived') : sum(transports, 'bytesReceived'),
    bytesOut: isIn ? sum(transports, 'bytesSent') : sum(streams, 'bytesSent'),
    packets: sum(streams, isIn ? 'packetsReceived' : 'packetsSent'),
    lost: sum(counted, 'packetsLost'),
    samples: sum(streams, 'totalSamplesReceived'),
    // Silence that was made up is not missed by anybody.
    concealed: sum(streams, 'concealedSamples') - sum(streams, 'silentConcealedSamples'),
  };
}

/** What moves is larger than what stands: an encoding that was switched off keeps its last size. */
function largestOf(video) {
  const rank = (record) => (record.framesPerSecond ? 1e6 : 0) + (record.frameHeight ?? 0);
  return video.reduce((best, record) => (best === null || rank(record) > rank(best) ? record : best), null);
}

function layersOf(video) {
  return video
    .filter((record) => record.rid && record.framesPerSecond)
    .map(({ rid, frameWidth, frameHeight, framesPerSecond }) => ({ rid, width: frameWidth, height: frameHeight, fps: framesPerSecond }))
    .sort((a, b) => a.height - b.height);
}

function jitterMs(stats, type) {
  const from = type === 'inbound-rtp' ? type : 'remote-inbound-rtp';
  const jitters = stats.filter((record) => record.type === from && record.jitter !== undefined).map((record) => record.jitter);
  return jitters.length ? Math.round(1000 * Math.max(...jitters)) : null;
}

/** Both times are the sender's clock as it is played now, so their difference is the skew. */
function avSkewMs(streams, largest, seatOf) {
  const seat = largest?.mid === undefined ? null : seatOf(largest.mid);
  if (seat === null) return null;
  const audio = streams.find((record) => record.kind === 'audio' && record.mid !== undefined && seatOf(record.mid) === seat);
  const [heard, seen] = [audio?.estimatedPlayoutTimestamp, largest.estimatedPlayoutTimestamp];
  return heard && seen ? Math.round(heard - seen) : null;
}

function pathOf(stats) {
  const byId = new Map(stats.map((record) => [record.id, record]));
  const chosen = byId.get(stats.find((record) => record.type === 'transport')?.selectedCandidatePairId);
  const pair = chosen ?? stats.find((record) => record.type === 'candidate-pair' && record.nominated && record.state === 'succeeded');
  const local = byId.get(pair?.localCandidateId);
  const rtt = pair?.currentRoundTripTime;
  return {
    rttMs: rtt === undefined ? null : Math.round(rtt * 1000),
    path: !local ? null : local.candidateType === 'relay' ? 'relay' : local.protocol === 'tcp' ? 'tcp' : 'udp',
  };
}

function sum(records, field) {
  return records.reduce((total, record) => total + (record[field] ?? 0), 0);
}

function ratio(part, whole) {
  return whole > 0 ? Math.max(0, part) / whole : 0;
}

function levelOf(loss, rttMs) {
  if (loss > 0.08 || (rttMs ?? 0) > 600) return 'poor';
  if (loss > 0.02 || (rttMs ?? 0) > 250) return 'fair';
  return 'good';
}

function worse(...levels) {
  return ['poor', 'fair', 'good'].find((level) => levels.includes(level)) ?? 'none';
}

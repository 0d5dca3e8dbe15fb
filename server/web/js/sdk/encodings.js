/**
 * What a picture is sent as: up to three simulcast layers (RFC 8853), lowest first, each a quarter
 * of the pixels of the next. A small capture gets fewer: nobody wants a fourth of a thumbnail.
 */

/** @typedef {import('./types.js').SourceName} SourceName */

/** Bits per second of the full picture: a host fills the screen, a guest a tile. */
const FULL_BPS = { host: 2_500_000, guest: 1_200_000 };
/** Lowest first; `share` is of the full picture's bits. */
const LAYERS = [
  { rid: 'q', scaleResolutionDownBy: 4, share: 0.08 },
  { rid: 'h', scaleResolutionDownBy: 2, share: 0.28 },
  { rid: 'f', scaleResolutionDownBy: 1, share: 1 },
];
/** The lowest layer keeps at least this many lines; less is a blur. */
const LOWEST_LINES = 160;
/** Pixels of the full picture for two and for three layers: Chromium sends no more in smaller ones
 * and leaves out the largest, whatever it was asked for. */
const LEAST_PIXELS = [480 * 270, 960 * 540];
/** Guests are tiles and their uplinks are phones; of a screen, a quarter cannot be read. */
const MOST_LAYERS = { host: 3, guest: 2, screen: 2 };
/** Three frame rates in one stream, which a server thins without asking for a key frame. */
const TEMPORAL_LAYERS = 'L1T3';

/**
 * @param {object} capture
 * @param {boolean} capture.isHost
 * @param {SourceName} capture.source
 * @param {number} [capture.width] Of the captured picture in pixels; 0: not known yet.
 * @param {number} [capture.height]
 * @param {boolean} [capture.simulcast]
 * @returns {RTCRtpEncodingParameters[]} lowest first; a single one has no `rid`
 */
export function videoEncodings({ isHost, source, width = 0, height = 0, simulcast = true }) {
  const who = isHost ? 'host' : 'guest';
  const most = MOST_LAYERS[source === 'screen' ? 'screen' : who];
  const count = simulcast ? Math.min(most, mostLayersOf(width, height)) : 1;
  const layers = LAYERS.slice(-count).map(({ rid, scaleResolutionDownBy, share }) => ({
    rid,
    scaleResolutionDownBy,
    maxBitrate: Math.round(FULL_BPS[who] * share),
  }));
  if (count === 1) delete layers[0].rid;
  return layers;
}

function mostLayersOf(width, height) {
  if (!width || !height) return LAYERS.length;
  const byLines = 1 + Math.floor(Math.log2(Math.max(1, Math.min(width, height) / LOWEST_LINES)));
  const byArea = 1 + LEAST_PIXELS.filter((least) => width * height >= least).length;
  return Math.min(byLines, byArea);
}

/**
 * Add a sender with these encodings, or with the most that this browser takes of them: some know
 * no temporal layers, some no simulcast.
 * @param {RTCPeerConnection} pc
 * @param {MediaStreamTrack} track
 * @param {RTCRtpTransceiverInit} init
 * @param {RTCRtpEncodingParameters[]} encodings lowest first
 * @returns {RTCRtpTransceiver}
 */
export function addVideo(pc, track, init, encodings) {
  const layered = encodings.map((encoding) => ({ ...encoding, scalabilityMode: TEMPORAL_LAYERS }));
  const single = { ...encodings.at(-1) };
  delete single.rid;
  for (const sendEncodings of [layered, encodings]) {
    try {
      return pc.addTransceiver(track, { ...init, sendEncodings });
    } catch (error) {
      console.info('the browser sends less than asked for', error);
    }
  }
  return pc.addTransceiver(track, { ...init, sendEncodings: [single] });
}

/**
 * After an answer without simulcast only the first encoding is left, which is the smallest: give
 * it the whole picture.
 * @param {RTCRtpSender} sender
 * @param {RTCRtpEncodingParameters[]} encodings what was asked for
 */
export async function widenLoneEncoding(sender, encodings) {
  const parameters = sender.getParameters();
  if (encodings.length < 2 || parameters.encodings.length !== 1) return;
  const { maxBitrate } = encodings.at(-1);
  Object.assign(parameters.encodings[0], { maxBitrate, scaleResolutionDownBy: 1 });
  await sender.setParameters(parameters);
}

/** The uplink: one send-only PeerConnection with a transceiver for each track. */
import { withAudioNack } from './audio-nack.js';
import { addVideo, videoEncodings, widenLoneEncoding } from './encodings.js';
import { MediaLink } from './link.js';

const AUDIO_MAX_BPS = 64_000;
/** The room's codec policy (DESIGN: VP8 and H.264 constrained baseline), best first. */
const VIDEO_CODECS = ['video/vp8', 'video/h264'];

/** @typedef {import('./types.js').SourceName} SourceName */

export class Publication {
  /** @type {MediaStream|null} */ stream = null;
  /** @type {Map<string, SourceName>} by track id */ #sources = new Map();
  /** @type {Map<SourceName, RTCRtpTransceiver>} */ #transceivers = new Map();
  /** @type {Map<SourceName, boolean>} */ #muted = new Map();
  /** @type {Map<RTCRtpSender, RTCRtpEncodingParameters[]>} what was asked for */ #encodings = new Map();
  #simulcast = true;
  #isHost;

  /**
   * @param {Omit<import('./link.js').LinkOptions, 'kind'|'build'|'message'>} link
   * @param {() => boolean} isHost
   */
  constructor(link, isHost) {
    this.#isHost = isHost;
    this.link = new MediaLink({
      ...link,
      kind: 'publish',
      build: (pc) => this.#build(pc),
      message: (pc) => this.#message(pc),
      onAnswer: () => this.#answered(),
    });
  }

  /**
   * @param {MediaStream} stream
   * @param {object} [options]
   * @param {Record<string, SourceName>} [options.sources] by track id; default camera and microphone
   * @param {boolean} [options.simulcast] several sizes of the picture at once, for viewers to choose from
   */
  start(stream, { sources = {}, simulcast = true } = {}) {
    this.stream = stream;
    this.#simulcast = simulcast;
    this.#sources = new Map(
      stream.getTracks().map((track) => [track.id, sources[track.id] ?? defaultSource(track)]),
    );
    for (const track of stream.getTracks()) track.enabled = !this.#muted.get(this.#sources.get(track.id));
    return this.link.start();
  }

  stop(options) {
    this.link.stop(options);
    this.stream = null;
  }

  /** Swap a device under a running publication, without an offer. */
  async replaceTrack(source, track) {
    const old = this.stream?.getTracks().find((known) => this.#sources.get(known.id) === source);
    if (!this.stream || !old) throw new TypeError(`no ${source} is being published`);
    track.enabled = old.enabled;
    await this.#transceivers.get(source)?.sender.replaceTrack(track);
    this.stream.removeTrack(old);
    this.stream.addTrack(track);
    this.#sources.set(track.id, source);
    if (old !== track) old.stop();
  }

  /** Silence a source on this side; the transport stays. @param {SourceName} source */
  setMuted(source, muted) {
    this.#muted.set(source, muted);
    for (const track of this.stream?.getTracks() ?? []) {
      if (this.#sources.get(track.id) === source) track.enabled = !muted;
    }
  }

  isMuted(source) {
    return this.#muted.get(source) ?? false;
  }

  #build(pc) {
    this.#transceivers.clear();
    this.#encodings.clear();
    for (const track of this.stream.getTracks()) {
      const source = this.#sources.get(track.id);
      const init = { direction: 'sendonly', streams: [this.stream] };
      const transceiver = track.kind === 'video'
        ? this.#addVideo(pc, track, init, source)
        : pc.addTransceiver(track, { ...init, sendEncodings: [{ maxBitrate: AUDIO_MAX_BPS }] });
      this.#transceivers.set(source, transceiver);
    }
  }

  #addVideo(pc, track, init, source) {
    const { width = 0, height = 0 } = track.getSettings();
    const capture = { isHost: this.#isHost(), source, width, height, simulcast: this.#simulcast };
    const encodings = videoEncodings(capture);
    const transceiver = addVideo(pc, track, init, encodings);
    preferRoomCodecs(transceiver);
    this.#encodings.set(transceiver.sender, encodings);
    return transceiver;
  }

  async #answered() {
    for (const [sender, encodings] of this.#encodings) {
      await widenLoneEncoding(sender, encodings).catch((error) => console.warn('the picture stays small', error));
    }
  }

  #message(pc) {
    const sources = {};
    for (const [source, transceiver] of this.#transceivers) sources[transceiver.mid] = source;
    return { type: 'publish', sdp: withAudioNack(pc.localDescription.sdp), sources };
  }
}

/** @param {MediaStreamTrack} track @returns {SourceName} */
function defaultSource(track) {
  return track.kind === 'video' ? 'camera' : 'microphone';
}

/** Room codecs first; the others stay behind them, the room's policy has the last word. */
function preferRoomCodecs(transceiver) {
  const codecs = RTCRtpSender.getCapabilities?.('video')?.codecs;
  if (!codecs || !transceiver.setCodecPreferences) return;
  const rank = (codec) => {
    const place = VIDEO_CODECS.indexOf(codec.mimeType.toLowerCase());
    if (place === 1 && !isConstrainedBaseline(codec)) return 2;
    return place < 0 ? 3 : place;
  };
  transceiver.setCodecPreferences([...codecs].sort((a, b) => rank(a) - rank(b)));
}

/** RFC 6184 §8.1: profile 42, and packetization-mode 1 as the room asks for. */
function isConstrainedBaseline(codec) {
  const line = codec.sdpFmtpLine ?? '';
  return /profile-level-id=42e0/i.test(line) && /packetization-mode=1/.test(line);
}

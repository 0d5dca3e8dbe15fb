/**
 * lianmai.js: the browser SDK of a live room. Plain ES module, no dependencies, no build step.
 *
 *     import { connect } from '/static/js/lianmai.js';
 *     const room = connect({ url: location.origin, token });
 *     room.addEventListener('seat_media', ({ detail }) => { video.srcObject = detail.stream; });
 *     room.addEventListener('chat', ({ detail }) => detail.added.forEach(show));
 *     await room.play();
 *     await room.ask('这个适合油皮吗？');
 *
 * Reconnecting, resuming, repeating unanswered commands and replacing dead transports happen inside.
 * docs/sdk.md describes every event and command.
 */
import { Commands } from './sdk/commands.js';
import { LianmaiError } from './sdk/errors.js';
import { RoomMedia } from './sdk/media.js';
import { relaysEndMs } from './sdk/relays.js';
import { RoomSocket } from './sdk/socket.js';
import { about, applyMessage, emptyState, hasGrant } from './sdk/state.js';

export { CLOSE_CODES, LianmaiError, closeReason, mayReturn } from './sdk/errors.js';

const CLIENT = 'lianmai.js/1';
/** Likes are gathered and sent at this pace; nobody needs every tap on its own. */
const LIKES_EVERY_MS = 500;
const LIKES_MAX = 100;

/**
 * @typedef {object} ConnectOptions
 * @property {string} [url] Origin of the server (`https://…`), default this page's.
 * @property {string} token Join token; it names room, person and grants.
 * @property {string} [room] Expected room; a token of another room gives `wrong_room`.
 * @property {string} [lang] BCP 47, for texts that the server may make.
 * @property {() => Promise<string|null>} [refreshToken] Asked for a new token when it expired.
 */

/**
 * Connect to a room. Returns at once; `await room.joined` for the first snapshot.
 * @param {ConnectOptions} options
 * @returns {Room}
 */
export function connect(options) {
  const room = new Room(options);
  room.open();
  return room;
}

/**
 * One person in one room.
 *
 * Events (all `CustomEvent`):
 * - `connection` {state: ConnectionState, reason?, code?, waitMs?}
 * - `welcome` {recovered}: the snapshot is in `state`
 * - `show`, `stage`, `questions`, `counts` {state}: that part of `state` changed (once a frame)
 * - `chat` {added: ChatMessage[], isReset: boolean}: all new lines of one server frame
 * - `seat_media` SeatMedia: what a seat shows here changed
 * - `media` {kind: 'publish'|'play', state: LinkState, error}
 * - `seat_quality` {seats: SeatSignal[]}: how well each seat is heard; host and staff
 * - `peer` {peer_id, state, reason}: how the server sees a transport
 * - `token` {token, expiresMs}: keep it to come back with
 * - `shed` {lane, count, reason}: messages that did not reach you
 * - `message_shed` {message_id, lane, reason, retry_after_ms}: others were not shown your message
 * - `chat_rate` {shown, received}: chat messages a second; to viewers only while some are not shown
 * - `slow_mode` {state}: `state.slowModeS` changed
 * - `refused` LianmaiError: a refusal that answers no command
 * - `message` Message: everything, also types this version does not know
 */
export class Room extends EventTarget {
  /** @type {ReturnType<typeof emptyState>} */ state = emptyState();
  /** @type {import('./sdk/types.js').ConnectionState} */ connection = 'connecting';
  /** Resolves at the first `welcome`, rejects when the room refused. @type {Promise<Room>} */ joined;
  #socket;
  #commands;
  #settleJoined;
  #clockOffsetMs = 0;
  #likes = 0;
  #likeTimer = 0;

  /** @param {ConnectOptions} options */
  constructor({ url = location.origin, token, room = '', lang, refreshToken }) {
    super();
    this.expectedRoom = room;
    this.joined = new Promise((resolve, reject) => {
      this.#settleJoined = { resolve, reject };
    });
    this.joined.catch(() => {}); // `connection` tells it too
    this.#socket = new RoomSocket({
      url: socketUrl(url),
      token,
      lang,
      client: CLIENT,
      refreshToken,
      onBatch: (batch) => this.#handleBatch(batch),
      onState: (state, detail) => this.#handleConnection(state, detail),
    });
    this.#commands = new Commands((message) => this.#socket.send(message));
    this.media = new RoomMedia({
      commands: this.#commands,
      send: (message) => this.#socket.send(message),
      isJoined: () => this.#socket.joined,
      renewIceServers: () => this.#renewIceServers(),
      state: this.state,
      onSeat: (media) => this.#emit('seat_media', media),
      onState: (detail) => this.#emit('media', detail),
    });
  }

  open() {
    this.#socket.open();
  }

  /** Leave the room for good. */
  close() {
    this.#flushLikes();
    this.media.close();
    this.#socket.close();
  }

  /** Drop the socket and resume, as after a network change. */
  reconnect() {
    this.#socket.reconnect();
  }

  /** Who you are here; null before the first `welcome`. */
  get you() {
    return this.state.you;
  }

  /** Connection id; media transports belong to it and survive a resumed socket. */
  get conn() {
    return this.#socket.conn;
  }

  /** The server's clock, Unix ms. */
  now() {
    return Date.now() + this.#clockOffsetMs;
  }

  /** What concerns one person (default: you): {seat, request, invite, questions}. */
  about(subject) {
    return about(this.state, subject);
  }

  /** @param {string} grant */
  can(grant) {
    return hasGrant(this.state, grant);
  }

  // --- what people say --------------------------------------------------------------------------

  /** @param {string} text */
  chat(text) {
    return this.#command({ type: 'chat', text });
  }

  /** Ask a question; resolves when it is durable. */
  ask(text, { productId } = {}) {
    return this.#command({ type: 'ask', text, ...(productId && { product_id: productId }) });
  }

  /** Add likes; sent merged, not acknowledged, dropped while disconnected. */
  like(count = 1) {
    this.#likes = Math.min(LIKES_MAX, this.#likes + count);
    this.#likeTimer ||= setTimeout(() => this.#flushLikes(), LIKES_EVERY_MS);
  }

  /** @param {string} questionId @param {string} [text] Without text it was answered live. */
  answerQuestion(questionId, text) {
    return this.#command({ type: 'answer_question', question_id: questionId, ...(text !== undefined && { text }) });
  }

  dismissQuestion(questionId) {
    return this.#command({ type: 'dismiss_question', question_id: questionId });
  }

  /** "I answer this one": its askers are told. */
  claimQuestion(questionId) {
    return this.#command({ type: 'claim_question', question_id: questionId });
  }

  /** Nobody answers it at the moment. */
  releaseQuestion(questionId) {
    return this.#command({ type: 'release_question', question_id: questionId });
  }

  /** Host and staff: show its card on every page, instead of the one before. @param {string} sku */
  pinProduct(sku) {
    return this.#command({ type: 'pin_product', sku });
  }

  unpinProduct(sku) {
    return this.#command({ type: 'unpin_product', sku });
  }

  /** Say that you followed the pinned card; not acknowledged. @param {string} sku */
  clickProduct(sku) {
    this.#socket.send({ type: 'click_product', sku });
  }

  /** Host and staff. @returns {Promise<import('./sdk/types.js').Profile>} */
  async getProfile(subject) {
    return (await this.#commands.request({ type: 'get_profile', subject })).profile;
  }

  // --- the stage --------------------------------------------------------------------------------

  /** @param {'audio'|'video'} [media] */
  requestMic(media = 'video') {
    return this.#command({ type: 'request_mic', media });
  }

  cancelRequest() {
    return this.#command({ type: 'cancel_request' });
  }

  acceptRequest(subject) {
    return this.#command({ type: 'accept_request', subject });
  }

  rejectRequest(subject) {
    return this.#command({ type: 'reject_request', subject });
  }

  invite(subject) {
    return this.#command({ type: 'invite', subject });
  }

  cancelInvite(subject) {
    return this.#command({ type: 'cancel_invite', subject });
  }

  acceptInvite() {
    return this.#command({ type: 'accept_invite' });
  }

  declineInvite() {
    return this.#command({ type: 'decline_invite' });
  }

  leaveSeat() {
    return this.#command({ type: 'leave_seat' });
  }

  removeGuest(subject) {
    return this.#command({ type: 'remove_guest', subject });
  }

  /** Staff: stop or allow one source of a seat for everybody. */
  muteSeat(subject, source, muted) {
    return this.#command({ type: 'mute_seat', subject, source, muted });
  }

  /** Staff: seconds between two chat messages of one person; 0 ends slow mode. @param {number} seconds */
  setSlowMode(seconds) {
    return this.#command({ type: 'set_slow_mode', seconds });
  }

  /** @param {string} [title] */
  startShow(title) {
    return this.#command({ type: 'start_show', ...(title && { title }) });
  }

  endShow() {
    return this.#command({ type: 'end_show' });
  }

  // --- media ------------------------------------------------------------------------------------

  /**
   * Send a stream into your seat. Resolves when the server answered; comes back by itself after a
   * lost path. Calling it again replaces the stream.
   * @param {MediaStream} stream
   * @param {object} [options]
   * @param {Record<string, import('./sdk/types.js').SourceName>} [options.sources] by track id
   * @param {boolean} [options.simulcast] False: one size of the picture for everybody.
   */
  publish(stream, options) {
    return this.media.publication.start(stream, options);
  }

  unpublish(options) {
    this.media.publication.stop(options);
  }

  /** Receive the stage; waits by itself while no show is live. */
  play() {
    return this.media.playback.start();
  }

  stopPlaying() {
    this.media.playback.stop();
  }

  /** Swap a device without a new offer. */
  replaceTrack(source, track) {
    return this.media.publication.replaceTrack(source, track);
  }

  /** Silence your own source on this side. @param {import('./sdk/types.js').SourceName} source */
  setMuted(source, muted) {
    this.media.publication.setMuted(source, muted);
  }

  /** @returns {Promise<import('./sdk/quality.js').Quality>} */
  getQuality() {
    return this.media.quality();
  }

  // --- inside -----------------------------------------------------------------------------------

  async #command(message) {
    return (await this.#commands.request(message)).result ?? null;
  }

  #handleBatch(batch) {
    const topics = new Set();
    const added = [];
    for (const message of batch.messages) {
      const changed = applyMessage(this.state, message);
      for (const topic of changed) topics.add(topic);
      if (message.type === 'chat_said' && changed.length) added.push(message.chat);
      this.#handleDirect(message);
      this.media.handle(message);
      this.#emit('message', message);
    }
    this.#emitTopics(topics, added, batch.messages.find((message) => message.type === 'welcome'));
  }

  #emitTopics(topics, added, welcome) {
    if (welcome) this.#emit('welcome', { recovered: welcome.recovered });
    for (const topic of ['show', 'stage', 'questions', 'shelf', 'counts', 'slow_mode']) {
      if (topics.has(topic)) this.#emit(topic, { state: this.state });
    }
    if (welcome && !welcome.recovered) this.#emit('chat', { added: this.state.chat.slice(), isReset: true });
    else if (added.length) this.#emit('chat', { added, isReset: false });
  }

  #handleDirect(message) {
    if (this.#commands.settle(message)) return;
    switch (message.type) {
      case 'welcome':
        this.#clockOffsetMs = message.server_ms - Date.now();
        this.#checkRoom(message.room);
        break;
      case 'pong':
        this.#clockOffsetMs = message.server_ms - Date.now();
        break;
      case 'token_renewed':
        this.#socket.token = message.token;
        this.#emit('token', { token: message.token, expiresMs: message.expires_ms });
        break;
      case 'error':
        this.#emit('refused', LianmaiError.fromMessage(message));
        break;
      case 'shed':
        this.#emit('shed', message);
        break;
      case 'message_shed':
        this.#emit('message_shed', message);
        break;
      case 'chat_rate':
        this.#emit('chat_rate', { shown: message.shown, received: message.received });
        break;
      case 'seat_quality':
        this.#emit('seat_quality', { seats: message.seats });
        break;
      case 'peer_state':
        this.#emit('peer', message);
        break;
      default:
    }
  }

  /** A socket may outlive the credentials that came with its `welcome`; a resume brings others. */
  #renewIceServers() {
    const isOver = this.now() >= relaysEndMs(this.state.iceServers);
    if (isOver) this.reconnect();
    return isOver;
  }

  #handleConnection(state, detail) {
    this.connection = state;
    if (state === 'joined') {
      this.#settleJoined.resolve(this);
      this.#commands.resend();
    } else if (state === 'reconnecting') {
      this.#commands.disconnected();
    } else if (state === 'closed') {
      this.#settleJoined.reject(new LianmaiError(detail.reason));
      this.#commands.close();
      this.media.close();
    }
    this.#emit('connection', { state, ...detail });
  }

  #checkRoom(room) {
    if (!this.expectedRoom || this.expectedRoom === room) return;
    this.#settleJoined.reject(new LianmaiError('wrong_room', `The token is for room ${room}.`));
    this.#emit('refused', new LianmaiError('wrong_room'));
    queueMicrotask(() => this.close()); // after this frame
  }

  #flushLikes() {
    clearTimeout(this.#likeTimer);
    this.#likeTimer = 0;
    if (this.#likes > 0) this.#socket.send({ type: 'like', count: this.#likes });
    this.#likes = 0;
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** @param {string} url @returns {string} */
function socketUrl(url) {
  const address = new URL('/ws', url);
  address.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:';
  return address.href;
}

/**
 * One room socket that keeps itself alive: joins, resumes from its positions, pings, and comes
 * back with full-jitter back-off unless the close code forbids it.
 */
import { Backoff } from './backoff.js';
import { closeReason, mayReturn } from './errors.js';

const SUBPROTOCOL = 'lianmai.json';
/** A connection attempt or a join without a reply is given up after this long. */
const OPEN_TIMEOUT_MS = 10_000;
/** Browsers cannot see WebSocket pings, so we send our own at this pace … */
const PING_EVERY_MS = 15_000;
/** … and call the path dead when nothing at all came back for this long after one. */
const PONG_WITHIN_MS = 8_000;
/** A join must hold this long before the back-off starts over: a crash loop is not hammered. */
const STABLE_AFTER_MS = 5_000;

/**
 * @typedef {object} SocketOptions
 * @property {string} url `ws:` or `wss:` address of the room socket.
 * @property {string} token
 * @property {string} [lang]
 * @property {string} [client] Name and version of the program, for the server's statistics.
 * @property {() => Promise<string|null>} [refreshToken] Called once per expiry (close code 4502).
 * @property {(batch: import('./types.js').Batch) => void} onBatch
 * @property {(state: import('./types.js').ConnectionState, detail: object) => void} onState
 */

export class RoomSocket {
  /** @type {WebSocket|null} */ #ws = null;
  /** @type {WebSocket[]} */ #abandoned = [];
  #options;
  #backoff = new Backoff();
  #positions = { log: null, chat: null };
  #conn = null;
  #joined = false;
  #closed = false;
  #refreshed = false;
  #pingNumber = 0;
  #retryTimer = 0;
  #openTimer = 0;
  #pingTimer = 0;
  #pongTimer = 0;
  #stableTimer = 0;

  /** @param {SocketOptions} options */
  constructor(options) {
    this.#options = { ...options };
  }

  get joined() {
    return this.#joined;
  }

  /** Connection id of the last `welcome`; media transports belong to it. */
  get conn() {
    return this.#conn;
  }

  get token() {
    return this.#options.token;
  }

  /** The token to come back with (from `token_renewed`). */
  set token(token) {
    this.#options.token = token;
  }

  open() {
    window.addEventListener('online', this.#onOnline);
    document.addEventListener('visibilitychange', this.#onVisible);
    this.#options.onState('connecting', {});
    this.#connect();
  }

  /** Leave for good. */
  close() {
    this.#end(1000, 'left');
  }

  /**
   * Send one message now. Returns false when the socket is not joined: nothing is queued here.
   * @param {import('./types.js').Message} message
   */
  send(message) {
    if (!this.#joined || this.#ws?.readyState !== WebSocket.OPEN) return false;
    this.#ws.send(JSON.stringify(message));
    return true;
  }

  /** Drop the connection and come back with the positions; for tests and for a changed network. */
  reconnect() {
    if (!this.#closed) this.#lost(1006, true);
  }

  #connect() {
    clearTimeout(this.#retryTimer);
    if (this.#closed || this.#ws) return;
    const ws = new WebSocket(this.#options.url, SUBPROTOCOL);
    this.#ws = ws;
    this.#openTimer = setTimeout(() => this.#lost(1006), OPEN_TIMEOUT_MS);
    ws.onopen = () => ws.send(JSON.stringify(this.#joinMessage()));
    ws.onmessage = (event) => this.#received(event.data);
    ws.onclose = (event) => this.#lost(event.code);
  }

  #joinMessage() {
    const message = { type: 'join', token: this.#options.token };
    if (this.#options.lang) message.lang = this.#options.lang.slice(0, 16);
    if (this.#options.client) message.client = this.#options.client.slice(0, 64);
    if (this.#conn) {
      message.conn = this.#conn;
      message.resume = {};
      if (this.#positions.log) message.resume.log = this.#positions.log;
      if (this.#positions.chat) message.resume.chat = this.#positions.chat;
    }
    return message;
  }

  #received(text) {
    clearTimeout(this.#pongTimer);
    /** @type {import('./types.js').Batch} */
    const batch = JSON.parse(text);
    const welcome = batch.messages.find((message) => message.type === 'welcome');
    if (welcome) this.#welcomed(welcome);
    this.#options.onBatch(batch);
    // Positions move only after the batch was handled, so a throw above never skips messages.
    if (batch.log) this.#positions.log = batch.log;
    if (batch.chat) this.#positions.chat = batch.chat;
    if (welcome) this.#options.onState('joined', { recovered: welcome.recovered });
  }

  #welcomed(welcome) {
    // The server closes them as `replaced`; one that cannot hear it is closed from here.
    for (const old of this.#abandoned.splice(0)) setTimeout(() => old.close(), OPEN_TIMEOUT_MS);
    clearTimeout(this.#openTimer);
    this.#joined = true;
    this.#conn = welcome.conn;
    if (!welcome.recovered) this.#positions = { log: null, chat: null };
    this.#refreshed = false;
    this.#stableTimer = setTimeout(() => this.#backoff.reset(), STABLE_AFTER_MS);
    clearInterval(this.#pingTimer);
    this.#pingTimer = setInterval(() => this.#ping(), PING_EVERY_MS);
  }

  #ping() {
    this.#pingNumber += 1;
    if (!this.send({ type: 'ping', id: `ping-${this.#pingNumber}` })) return;
    clearTimeout(this.#pongTimer);
    this.#pongTimer = setTimeout(() => this.#lost(1006), PONG_WITHIN_MS);
  }

  #onOnline = () => {
    if (this.#joined) this.#ping();
    else this.#connect();
  };

  /** A phone that slept may hold a dead socket without knowing it. */
  #onVisible = () => {
    if (document.visibilityState === 'visible') this.#onOnline();
  };

  async #lost(code, atOnce = false) {
    const ws = this.#ws;
    if (!ws || this.#closed) return;
    this.#forget(ws);
    if (code === 4502 && this.#options.refreshToken && !this.#refreshed) {
      this.#refreshed = true;
      this.#options.onState('reconnecting', { code, reason: 'token_expired', waitMs: 0 });
      const token = await this.#options.refreshToken().catch(() => null);
      if (token) {
        this.#options.token = token;
        this.#connect();
        return;
      }
    }
    if (!mayReturn(code)) {
      this.#end(code, closeReason(code));
      return;
    }
    const waitMs = atOnce ? 0 : this.#backoff.next();
    this.#options.onState('reconnecting', { code, reason: closeReason(code), waitMs });
    this.#retryTimer = setTimeout(() => this.#connect(), waitMs);
  }

  /**
   * Let go of a socket without waiting for its (possibly very late) close event. A close frame
   * would tell the server that the person left, so an open one stays until the next is joined.
   */
  #forget(ws) {
    for (const timer of [this.#openTimer, this.#pongTimer, this.#stableTimer]) clearTimeout(timer);
    clearInterval(this.#pingTimer);
    ws.onopen = ws.onmessage = ws.onclose = null;
    if (ws.readyState === WebSocket.OPEN) this.#abandoned.push(ws);
    else ws.close();
    this.#ws = null;
    this.#joined = false;
  }

  #end(code, reason) {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#retryTimer);
    if (this.#ws) this.#forget(this.#ws);
    for (const old of this.#abandoned.splice(0)) old.close(1000);
    window.removeEventListener('online', this.#onOnline);
    document.removeEventListener('visibilitychange', this.#onVisible);
    this.#options.onState('closed', { code, reason });
  }
}

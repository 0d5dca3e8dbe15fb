/**
 * One RTCPeerConnection that keeps itself alive: offers, and offers again with a fresh connection
 * when the old one died. The client always offers and the server is ICE-lite, so an offer leaves
 * right after `setLocalDescription` and there is no trickle.
 */
import { Backoff } from './backoff.js';
import { LianmaiError } from './errors.js';

/** ICE says `disconnected` on any hiccup; only this much later the path counts as dead. */
const DISCONNECTED_FOR_MS = 6_000;
/** Answered but not connected after this long: UDP is probably blocked. */
const CONNECT_WITHIN_MS = 12_000;
/** After a resumed socket the transport must be alive within this time, else it is replaced. */
const ALIVE_AFTER_RESUME_MS = 5_000;
/** Reasons of `peer_state: closed` after which this side offers again by itself. */
const REPLAYED_REASONS = new Set([
  'silent', 'dtls_failed', 'dtls_timeout', 'ice_timeout', 'remote_closed', 'worker_lost', 'node_lost', 'lost', '',
]);

/** @typedef {'idle'|'negotiating'|'connecting'|'up'|'waiting'|'failed'} LinkState */

/**
 * @typedef {object} LinkOptions
 * @property {'publish'|'play'} kind
 * @property {import('./commands.js').Commands} commands
 * @property {() => boolean} isJoined
 * @property {() => RTCIceServer[]} iceServers
 * @property {() => boolean} renewIceServers Whether they are too old; then a new `welcome` is on its way.
 * @property {() => boolean} [isOpen] Whether there is anything to offer for; else the link waits.
 * @property {{offersSent: number}} counters
 * @property {(pc: RTCPeerConnection) => void} build Adds the transceivers.
 * @property {(pc: RTCPeerConnection) => import('./types.js').Message} message The command, without id.
 * @property {(state: LinkState, error: LianmaiError|null) => void} onState
 */

export class MediaLink {
  /** @type {RTCPeerConnection|null} */ pc = null;
  /** @type {string|null} */ peerId = null;
  /** @type {LinkState} */ state = 'idle';
  #options;
  #wanted = false;
  #backoff = new Backoff({ baseMs: 800, capMs: 10_000 });
  #retryTimer = 0;
  #watchTimer = 0;
  /** @type {{promise: Promise<void>, resolve: () => void, reject: (e: Error) => void}|null} */ #first = null;

  /** @param {LinkOptions} options */
  constructor(options) {
    this.#options = options;
  }

  /** Begin; resolves when the first offer was answered, rejects when it cannot be mended. */
  start() {
    this.#wanted = true;
    this.#first ??= deferred();
    this.#begin();
    return this.#first.promise;
  }

  /** Close the transport and stop coming back. Tells the server unless it told us. */
  stop({ tell = true } = {}) {
    if (!this.#wanted) return;
    this.#wanted = false;
    const peerId = this.peerId;
    this.#drop();
    this.#setState('idle');
    this.#first?.reject(new LianmaiError('closed'));
    this.#first = null;
    if (tell && peerId && this.#options.isJoined()) {
      // The transport is gone on this side already; the server would notice by itself in 30 s.
      this.#options.commands.request({ type: 'stop_media', peer_id: peerId }, { isVolatile: true }).catch(() => {});
    }
  }

  /** Something changed that may let a waiting link through: the show began. */
  kick() {
    if (this.#wanted && (this.state === 'waiting' || this.state === 'idle')) this.#begin();
  }

  /** The socket joined again. `isSame`: the server still knows the connection id. */
  handleWelcome(isSame) {
    if (!this.#wanted) return;
    // Credentials of relays end some hours after the `welcome` that brought them.
    this.pc?.setConfiguration?.({ ...this.pc.getConfiguration(), iceServers: this.#options.iceServers() });
    if (!isSame || !this.peerId) this.#begin();
    else if (!this.isAlive()) this.#watch(ALIVE_AFTER_RESUME_MS, () => this.isAlive() || this.#begin());
  }

  /** @param {import('./types.js').Message} message a `peer_state` @returns {boolean} whether it was ours */
  handlePeerState(message) {
    if (!this.peerId || message.peer_id !== this.peerId) return false;
    if (message.state !== 'closed') return true;
    const reason = message.reason ?? '';
    if (REPLAYED_REASONS.has(reason)) {
      this.peerId = null;
      this.#retry(new LianmaiError('media_lost', reason, { retryable: true }));
    } else if (this.#options.kind === 'play') {
      this.#drop(); // watching goes on when there is something to watch again
      this.#setState('waiting', new LianmaiError(reason, reason, { retryable: true }));
    } else {
      this.#wanted = false;
      this.#drop();
      this.#setState('idle', new LianmaiError(reason, `The server closed the transport: ${reason}`));
      this.#first = null;
    }
    return true;
  }

  isAlive() {
    return this.pc?.connectionState === 'connected';
  }

  async #begin() {
    this.#drop();
    if (!this.#options.isJoined()) return; // `handleWelcome` begins again
    if (this.#options.isOpen?.() === false) {
      this.#setState('waiting'); // `kick` begins again
      return;
    }
    if (this.#options.renewIceServers()) return; // `handleWelcome` begins again
    const pc = new RTCPeerConnection({
      iceServers: this.#options.iceServers(),
      bundlePolicy: 'max-bundle',
      rtcpMuxPolicy: 'require',
    });
    this.pc = pc;
    this.#setState('negotiating');
    pc.onconnectionstatechange = () => this.#connectionChanged(pc);
    try {
      this.#options.build(pc);
      await pc.setLocalDescription(await pc.createOffer());
      if (pc !== this.pc) return;
      this.#options.counters.offersSent += 1;
      const answer = await this.#options.commands.request(this.#options.message(pc), {
        isVolatile: true,
        onReply: (reply) => {
          if (pc === this.pc) this.peerId = reply.peer_id;
        },
      });
      if (pc !== this.pc) return;
      await pc.setRemoteDescription({ type: 'answer', sdp: answer.sdp });
      if (pc !== this.pc) return;
      this.#answered(pc);
    } catch (error) {
      if (pc === this.pc) this.#refused(error);
    }
  }

  #answered(pc) {
    this.#first?.resolve();
    if (pc.connectionState === 'connected') return;
    this.#setState('connecting');
    this.#watch(CONNECT_WITHIN_MS, () => {
      if (pc === this.pc && !this.isAlive()) this.#retry(new LianmaiError('media_blocked', 'No packet came through.', { retryable: true }));
    });
  }

  #refused(error) {
    const refusal = error instanceof LianmaiError ? error : new LianmaiError('bad_sdp', String(error));
    if (refusal.code === 'disconnected') return; // `handleWelcome` begins again
    if (refusal.code === 'not_live') {
      this.#drop();
      this.#setState('waiting', refusal); // `kick` begins again
    } else if (refusal.retryable) {
      this.#retry(refusal);
    } else {
      this.#wanted = false;
      this.#drop();
      this.#setState('failed', refusal);
      this.#first?.reject(refusal);
      this.#first = null;
    }
  }

  #connectionChanged(pc) {
    if (pc !== this.pc) return;
    if (pc.connectionState === 'connected') {
      this.#clearTimers();
      this.#backoff.reset();
      this.#setState('up');
    } else if (pc.connectionState === 'disconnected') {
      this.#watch(DISCONNECTED_FOR_MS, () => {
        if (pc === this.pc && !this.isAlive()) this.#retry(lost());
      });
    } else if (pc.connectionState === 'failed') {
      this.#retry(lost());
    }
  }

  #retry(error) {
    if (!this.#wanted) return;
    this.#drop();
    this.#setState('negotiating', error);
    const waitMs = Math.max(error.retryAfterMs ?? 0, this.#backoff.next());
    this.#retryTimer = setTimeout(() => this.#begin(), waitMs);
  }

  #drop() {
    this.#clearTimers();
    if (!this.pc) return;
    this.pc.onconnectionstatechange = null;
    this.pc.close();
    this.pc = null;
    this.peerId = null;
  }

  #watch(ms, then) {
    clearTimeout(this.#watchTimer);
    this.#watchTimer = setTimeout(then, ms);
  }

  #clearTimers() {
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#watchTimer);
  }

  #setState(state, error = null) {
    this.state = state;
    this.#options.onState(state, error);
  }
}

function lost() {
  return new LianmaiError('media_lost', 'The path to the server broke.', { retryable: true });
}

function deferred() {
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  made.promise.catch(() => {}); // nobody must listen
  return made;
}

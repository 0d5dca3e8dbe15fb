/**
 * One RTCPeerConnection that keeps itself alive. A path that broke is first mended by an ICE
 * restart, which keeps transport, slots and pictures; when that does not help, a fresh connection
 * is offered. The client always offers and the server is ICE-lite, so an offer leaves right after
 * `setLocalDescription` and there is no trickle.
 */
import { Backoff } from './backoff.js';
import { LianmaiError } from './errors.js';
import { iceCredentials, restartedAnswer } from './ice-restart.js';
import { JoinTimes } from './join-times.js';

/** ICE says `disconnected` on any hiccup; this much later the path is mended. */
const DISCONNECTED_FOR_MS = 2_000;
/** A path that is not back this long after its ICE restart began is given up. */
const MENDED_WITHIN_MS = 6_000;
/** Answered but not connected after this long: UDP is probably blocked. */
const CONNECT_WITHIN_MS = 12_000;
/** Reasons of `peer_state: closed` after which this side offers again by itself. */
const REPLAYED_REASONS = new Set([
  'silent', 'dtls_failed', 'dtls_timeout', 'ice_timeout', 'remote_closed', 'worker_lost', 'node_lost', 'lost', '',
]);

const BROKEN = new Set(['disconnected', 'failed']);

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
 * @property {(pc: RTCPeerConnection) => void} [onAnswer] The first answer of a connection is in force.
 * @property {(state: LinkState, error: LianmaiError|null) => void} onState
 * @property {(split: import('./join-times.js').JoinSplit) => void} [onJoin]
 */

export class MediaLink {
  /** @type {RTCPeerConnection|null} */ pc = null;
  /** @type {string|null} */ peerId = null;
  /** @type {LinkState} */ state = 'idle';
  /** Of the running transport. @type {JoinTimes|null} */ joinTimes = null;
  #options;
  /** Whether the path of this connection shall get, or is getting, an ICE restart. */ #isMending = false;
  /** Whether one is under way now: begun and not answered. */ #isRestarting = false;
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
    else if (this.#isMending || BROKEN.has(this.pc.connectionState)) this.mend();
  }

  /**
   * Restart ICE: for a path that broke, or a device that came to another network. Does nothing
   * without a transport; a dropped socket does it when it is back.
   */
  mend() {
    if (!this.#wanted || !this.pc?.remoteDescription || !this.peerId) return;
    this.#isMending = true;
    if (this.#isRestarting || !this.#options.isJoined()) return; // `handleWelcome` mends again
    this.#watchMending(this.pc);
    this.#restartIce(this.pc);
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
    this.joinTimes = new JoinTimes(pc, (split) => this.#options.onJoin?.(split));
    try {
      this.#options.build(pc);
      await pc.setLocalDescription(await pc.createOffer());
      if (pc !== this.pc) return;
      this.#options.counters.offersSent += 1;
      const answer = await this.#options.commands.request(this.#options.message(pc), {
        isVolatile: true,
        onReply: (reply) => {
          if (pc !== this.pc) return;
          this.peerId = reply.peer_id;
          this.joinTimes.answered();
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
    this.#options.onAnswer?.(pc);
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
      this.#isMending = this.#isRestarting;
      this.#backoff.reset();
      this.#setState('up');
    } else if (this.#isMending) {
      if (pc.connectionState === 'failed' && !this.#isRestarting) this.#retry(lost());
    } else if (pc.connectionState === 'disconnected') {
      this.#watch(DISCONNECTED_FOR_MS, () => this.#mendOrRetry(pc));
    } else if (pc.connectionState === 'failed') {
      this.#mendOrRetry(pc);
    }
  }

  #mendOrRetry(pc) {
    if (pc !== this.pc || this.isAlive()) return;
    this.#setState('connecting', lost());
    if (this.peerId) this.mend();
    else this.#retry(lost());
  }

  /** Never an offer on the wire: the credentials go in a message, the answer is made here. */
  async #restartIce(pc) {
    this.#isRestarting = true;
    try {
      const { sdp } = pc.currentRemoteDescription;
      await pc.setLocalDescription(await pc.createOffer({ iceRestart: true }));
      const restarted = await this.#options.commands.request(
        { type: 'restart_ice', peer_id: this.peerId, ...iceCredentials(pc.localDescription.sdp) },
        { isVolatile: true },
      );
      if (pc !== this.pc) return;
      await pc.setRemoteDescription({ type: 'answer', sdp: restartedAnswer(sdp, restarted) });
      if (pc !== this.pc) return;
      this.#isRestarting = false;
      if (this.isAlive()) this.#isMending = false;
      else this.#watchMending(pc);
    } catch (error) {
      if (pc !== this.pc) return;
      this.#isRestarting = false;
      await this.#notRestarted(pc, error);
    }
  }

  #watchMending(pc) {
    this.#watch(MENDED_WITHIN_MS, () => {
      if (pc === this.pc && !this.isAlive()) this.#retry(lost());
    });
  }

  async #notRestarted(pc, error) {
    if (error.code === 'disconnected') return; // `handleWelcome` mends again
    this.#isMending = false;
    if (!this.isAlive()) {
      this.#retry(lost());
      return;
    }
    // The path came back by itself meanwhile: go on as if nothing had been asked.
    if (pc.signalingState === 'have-local-offer') await pc.setLocalDescription({ type: 'rollback' }).catch(() => {});
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
    this.#isMending = this.#isRestarting = false;
    this.joinTimes?.stop();
    this.joinTimes = null;
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

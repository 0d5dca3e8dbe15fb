/**
 * What can be refused, and which close codes allow to come back.
 * Codes of refusals are those of the server plus the few that only a browser can meet (LOCAL).
 */

/** Codes that never travel on the wire: this side found the problem. */
export const LOCAL_CODES = Object.freeze([
  'disconnected', // the socket dropped before the reply; safe to try again
  'timeout', // no reply in time
  'closed', // the room was left or the server asked not to return
  'media_blocked', // answered, but no packet came through: UDP is blocked on the way
  'media_lost', // the transport died; it is being replayed
]);

/** An expected refusal. `code` is stable, `message` is English prose for logs. */
export class LianmaiError extends Error {
  /**
   * @param {string} code
   * @param {string} [message]
   * @param {{retryable?: boolean, retryAfterMs?: number|null, lane?: string|null}} [more]
   */
  constructor(code, message = code, { retryable = false, retryAfterMs = null, lane = null } = {}) {
    super(message);
    this.name = 'LianmaiError';
    this.code = code;
    this.retryable = retryable;
    this.retryAfterMs = retryAfterMs;
    this.lane = lane;
  }

  /** From an `error` message of the server. @param {import('./types.js').Message} message */
  static fromMessage(message) {
    return new LianmaiError(message.code, message.message, {
      retryable: message.retryable,
      retryAfterMs: message.retry_after_ms ?? null,
      lane: message.lane ?? null,
    });
  }
}

/** The registry of the server's close codes (signaling/close_codes.py). */
export const CLOSE_CODES = Object.freeze({
  4000: 'shutting_down',
  4001: 'slow_reader',
  4002: 'store_unavailable',
  4003: 'ping_timeout',
  4004: 'internal',
  4500: 'join_timeout',
  4501: 'bad_token',
  4502: 'token_expired',
  4503: 'forbidden',
  4504: 'bad_message',
  4505: 'too_large',
  4506: 'replaced',
  4508: 'room_full',
  4509: 'wrong_subprotocol',
});

/**
 * Whether a client may come back after this close code. Codes below 4000 are network trouble
 * (1006 above all): come back. An unknown code is judged by its range, so N talks to N+1.
 * @param {number} code
 */
export function mayReturn(code) {
  return code < 4500 || code > 4999;
}

/** @param {number} code */
export function closeReason(code) {
  return CLOSE_CODES[code] ?? (mayReturn(code) ? 'network' : 'refused');
}

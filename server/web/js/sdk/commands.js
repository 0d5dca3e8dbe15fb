/**
 * Commands and their replies: every command has an id that is unique per person, its promise is
 * settled by the reply that carries the id, and what was unanswered when the socket dropped is
 * sent again under the same id, which the server takes as the same command.
 */
import { LianmaiError } from './errors.js';

/** A command not answered this long after it was given is rejected with `timeout`. */
const REPLY_WITHIN_MS = 20_000;
/** Reply types besides `error` that settle a command. */
const REPLIES = new Set(['ack', 'sdp_answer', 'ice_restarted', 'profile']);

/** Random without `crypto.randomUUID`, which plain http pages do not have. */
export function randomId(bytes = 9) {
  const raw = crypto.getRandomValues(new Uint8Array(bytes));
  return Array.from(raw, (byte) => byte.toString(36).padStart(2, '0')).join('');
}

/**
 * @typedef {object} Pending
 * @property {import('./types.js').Message} message
 * @property {boolean} isVolatile
 * @property {(reply: import('./types.js').Message) => void} [onReply]
 * @property {(value: any) => void} resolve
 * @property {(error: LianmaiError) => void} reject
 * @property {number} timer
 */

export class Commands {
  /** @type {Map<string, Pending>} */ #pending = new Map();
  #prefix = randomId();
  #count = 0;
  #send;
  #closed = false;

  /** @param {(message: import('./types.js').Message) => boolean} send false: not joined now. */
  constructor(send) {
    this.#send = send;
  }

  /**
   * Give a command. Resolves with the reply message, rejects with a LianmaiError.
   *
   * `isVolatile` commands (offers) are not sent again after a reconnect but rejected with
   * `disconnected`. `onReply` runs synchronously, before later messages of the same frame.
   * @param {import('./types.js').Message} fields
   * @param {{isVolatile?: boolean, onReply?: (reply: import('./types.js').Message) => void}} [options]
   * @returns {Promise<import('./types.js').Message>}
   */
  request(fields, { isVolatile = false, onReply } = {}) {
    if (this.#closed) return Promise.reject(new LianmaiError('closed'));
    this.#count += 1;
    const message = { ...fields, id: `${this.#prefix}-${this.#count}` };
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(message.id);
        reject(new LianmaiError('timeout', 'No reply in time.', { retryable: true }));
      }, REPLY_WITHIN_MS);
      this.#pending.set(message.id, { message, isVolatile, onReply, resolve, reject, timer });
      if (!this.#send(message) && isVolatile) this.#reject(message.id, disconnected());
    });
  }

  /** Settle the command that this message answers, if it does. @param {import('./types.js').Message} message */
  settle(message) {
    if (!message.id) return false;
    const pending = this.#pending.get(message.id);
    if (!pending) return false;
    if (message.type === 'error') {
      this.#reject(message.id, LianmaiError.fromMessage(message));
      return true;
    }
    if (!REPLIES.has(message.type)) return false;
    this.#pending.delete(message.id);
    clearTimeout(pending.timer);
    pending.onReply?.(message);
    pending.resolve(message);
    return true;
  }

  /** The socket dropped: offers die with it, the rest waits for `resend`. */
  disconnected() {
    for (const [id, pending] of this.#pending) if (pending.isVolatile) this.#reject(id, disconnected());
  }

  /** The socket is joined again. */
  resend() {
    for (const pending of this.#pending.values()) this.#send(pending.message);
  }

  /** No more replies will come. */
  close() {
    this.#closed = true;
    for (const id of [...this.#pending.keys()]) this.#reject(id, new LianmaiError('closed'));
  }

  #reject(id, error) {
    const pending = this.#pending.get(id);
    if (!pending) return;
    this.#pending.delete(id);
    clearTimeout(pending.timer);
    pending.reject(error);
  }
}

function disconnected() {
  return new LianmaiError('disconnected', 'The socket dropped.', { retryable: true });
}

/** Profiles of people in the room, asked for one after another and remembered for a while. */

const FRESH_FOR_MS = 60_000;

export class Profiles {
  #room;
  /** @type {Map<string, {at: number, promise: Promise<import('../sdk/types.js').Profile|null>}>} */
  #known = new Map();
  #tail = Promise.resolve();

  /** @param {import('../lianmai.js').Room} room */
  constructor(room) {
    this.#room = room;
  }

  /** Null when it cannot be had; a missing profile never stops an answer. @param {string} subject */
  get(subject) {
    const known = this.#known.get(subject);
    if (known && performance.now() - known.at < FRESH_FOR_MS) return known.promise;
    const promise = this.#tail.then(() => this.#room.getProfile(subject)).catch((error) => {
      this.#known.delete(subject);
      console.info('profile unavailable', error.code ?? error);
      return null;
    });
    this.#tail = promise; // one at a time: a burst of questions must not hit our own rate limit
    this.#known.set(subject, { at: performance.now(), promise });
    return promise;
  }
}

/** Simple label: who bought before, or came before, is worth another word. */
export function labelOf(profile) {
  if (profile.orders > 0) return { key: 'profile.buyer', style: 'tag tag-buyer' };
  return profile.visits > 1 ? { key: 'profile.returning', style: 'tag tag-back' } : { key: 'profile.new', style: 'tag tag-new' };
}

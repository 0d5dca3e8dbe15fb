/**
 * What the room looks like, folded from messages. No DOM, no sockets, no clock:
 * `applyMessage(state, message)` changes `state` and returns the topics that changed.
 * Applying an event twice gives the same state, so a replay after a resume is harmless.
 */

/** Newest chat messages kept; older ones are only on the server. */
export const CHAT_KEPT = 200;
/** Closed questions kept beside the open ones. */
export const CLOSED_QUESTIONS_KEPT = 50;
/** Names of askers kept of a card; its count says how many there are. */
const ASKERS_KEPT = 8;
/** Products kept; a room has no more. */
const PRODUCTS_KEPT = 50;

/**
 * @typedef {object} RoomState
 * @property {string} room
 * @property {import('./types.js').You|null} you Null until the first `welcome`.
 * @property {import('./types.js').Show} show
 * @property {import('./types.js').Stage} stage
 * @property {Map<string, import('./types.js').Question>} questions By id, in the order of asking.
 * @property {import('./types.js').ChatMessage[]} chat Oldest first.
 * @property {import('./types.js').Shelf} shelf
 * @property {number} viewers
 * @property {number} likes
 * @property {{audio: number, video: number}} slots How many slots this room gives a viewer.
 * @property {RTCIceServer[]} iceServers
 * @property {number} slowModeS Seconds between two chat messages of one person; 0: no slow mode.
 *
 * @typedef {'welcome'|'show'|'stage'|'questions'|'shelf'|'chat'|'counts'|'slow_mode'} Topic
 */

/** @returns {RoomState} */
export function emptyState() {
  return {
    room: '',
    you: null,
    show: { show_id: '', phase: 'scheduled', title: '', started_ms: null, lost_until_ms: null, ended_ms: null },
    stage: { seats_total: 1, seats: [], requests: [], invites: [] },
    questions: new Map(),
    shelf: { products: [], pinned: null },
    chat: [],
    viewers: 0,
    likes: 0,
    slots: { audio: 1, video: 1 },
    iceServers: [],
    slowModeS: 0,
  };
}

/** @type {Record<string, (state: RoomState, message: import('./types.js').Message) => Topic[]>} */
const FOLDS = {
  welcome(state, message) {
    state.room = message.room;
    state.you = message.you;
    state.show = message.show;
    state.stage = { requests: [], invites: [], ...message.stage, seats: (message.stage.seats ?? []).map(wholeSeat) };
    state.questions = new Map(message.questions.map((question) => [question.question_id, question]));
    if (!message.recovered) state.chat = message.chat.slice(-CHAT_KEPT);
    state.shelf = { products: [], pinned: null, ...message.shelf };
    state.viewers = message.viewers;
    state.likes = message.likes;
    state.slots = message.slots;
    state.iceServers = message.ice_servers ?? [];
    state.slowModeS = message.slow_mode_s ?? 0;
    return ['welcome', 'show', 'stage', 'questions', 'shelf', 'chat', 'counts', 'slow_mode'];
  },
  slow_mode_changed(state, message) {
    state.slowModeS = message.slow_mode_s;
    return ['slow_mode'];
  },
  show_changed(state, { show }) {
    state.show = show;
    return ['show'];
  },
  seat_taken: putSeat,
  seat_changed: putSeat,
  seat_left(state, { seat, subject }) {
    // Guarded by the subject: a replayed old event must not empty the seat of the next person.
    state.stage = {
      ...state.stage,
      seats: state.stage.seats.filter((other) => other.seat !== seat || other.subject !== subject),
    };
    return ['stage'];
  },
  mic_requested(state, { request }) {
    state.stage = { ...state.stage, requests: [...without(state.stage.requests, request.subject), request] };
    return ['stage'];
  },
  mic_request_ended(state, { subject }) {
    state.stage = { ...state.stage, requests: without(state.stage.requests, subject) };
    return ['stage'];
  },
  invite_sent(state, { invite }) {
    state.stage = { ...state.stage, invites: [...without(state.stage.invites, invite.subject), invite] };
    return ['stage'];
  },
  invite_ended(state, { subject }) {
    state.stage = { ...state.stage, invites: without(state.stage.invites, subject) };
    return ['stage'];
  },
  question_asked(state, { question }) {
    const known = state.questions.get(question.question_id);
    if (known && (known.phase !== 'open' || known.count > question.count)) return [];
    state.questions.set(question.question_id, { ...question, mine: isMine(state, question, known) });
    return ['questions'];
  },
  question_joined(state, { question_id: id, subject, name, text, asked_ms, count, source = 'asked' }) {
    const known = state.questions.get(id);
    if (known && known.phase !== 'open') return [];
    if (!known) {
      // Not of the staff: of the card one knows what one asked oneself, until it is answered.
      const mine = subject === state.you?.subject;
      state.questions.set(id, { question_id: id, subject, name, text, asked_ms, phase: 'open', count, askers: [], source, mine });
      return ['questions'];
    }
    if (count <= (known.count ?? 1)) return []; // a replay says it again
    const askers = known.askers?.length ? known.askers : [known.name];
    const mine = known.mine || subject === state.you?.subject;
    state.questions.set(id, { ...known, count, askers: [...askers, name].slice(0, ASKERS_KEPT), mine });
    return ['questions'];
  },
  question_claimed(state, { question_id: id, by = null, claimed_ms = null }) {
    const known = state.questions.get(id);
    if (!known || known.phase !== 'open') return [];
    state.questions.set(id, { ...known, claimed_by: by, claimed_ms });
    return ['questions'];
  },
  question_answered(state, { question }) {
    const known = state.questions.get(question.question_id);
    state.questions.set(question.question_id, { ...question, mine: isMine(state, question, known) });
    trimQuestions(state);
    return ['questions'];
  },
  question_dismissed: (state, message) => closeQuestion(state, message, 'dismissed'),
  question_expired: (state, message) => closeQuestion(state, message, 'expired'),
  product_listed(state, { product }) {
    state.shelf = { ...state.shelf, products: withProduct(state.shelf.products, product) };
    return ['shelf'];
  },
  product_delisted(state, { sku }) {
    state.shelf = { ...state.shelf, products: state.shelf.products.filter((known) => known.sku !== sku) };
    return ['shelf'];
  },
  product_pinned(state, { product }) {
    state.shelf = { products: withProduct(state.shelf.products, product), pinned: product.sku };
    return ['shelf'];
  },
  product_unpinned(state, { sku }) {
    // Guarded by the sku: a replayed old event must not take the next card down.
    if (state.shelf.pinned !== sku) return [];
    state.shelf = { ...state.shelf, pinned: null };
    return ['shelf'];
  },
  chat_said(state, { chat }) {
    if (state.chat.some((known) => known.message_id === chat.message_id)) return [];
    state.chat.push(chat);
    if (state.chat.length > CHAT_KEPT) state.chat.splice(0, state.chat.length - CHAT_KEPT);
    return ['chat'];
  },
  counts(state, { viewers, likes }) {
    state.viewers = viewers;
    state.likes = likes;
    return ['counts'];
  },
};

/**
 * Fold one server message in. Unknown types change nothing (the protocol may grow).
 * @param {RoomState} state
 * @param {import('./types.js').Message} message
 * @returns {Topic[]}
 */
export function applyMessage(state, message) {
  return FOLDS[message.type]?.(state, message) ?? [];
}

/** What concerns one person. @param {RoomState} state @param {string} [subject] default: you */
export function about(state, subject = state.you?.subject ?? '') {
  const isTheirs = (record) => record.subject === subject;
  return {
    seat: state.stage.seats.find(isTheirs) ?? null,
    request: state.stage.requests.find(isTheirs) ?? null,
    invite: state.stage.invites.find(isTheirs) ?? null,
    questions: [...state.questions.values()].filter((question) => (
      isTheirs(question) || (question.mine && subject === state.you?.subject))),
  };
}

/** @param {RoomState} state @param {string} grant */
export function hasGrant(state, grant) {
  return state.you?.grants.includes(grant) ?? false;
}

function putSeat(state, message) {
  const seat = wholeSeat(message.seat);
  const seats = state.stage.seats.filter(
    (other) => other.seat !== seat.seat && other.subject !== seat.subject,
  );
  seats.push(seat);
  seats.sort((a, b) => a.seat - b.seat);
  state.stage = { ...state.stage, seats };
  return ['stage'];
}

/** Servers may leave out what is empty. */
function wholeSeat(seat) {
  return { sources: [], muted: [], reconnecting_until_ms: null, ...seat };
}

function without(records, subject) {
  return records.filter((record) => record.subject !== subject);
}

function isMine(state, question, known) {
  return (known?.mine ?? false) || question.subject === state.you?.subject;
}

function closeQuestion(state, { question_id: id }, phase) {
  const known = state.questions.get(id);
  if (known) state.questions.set(id, { ...known, phase });
  trimQuestions(state);
  return ['questions'];
}

/** A known product keeps its place. */
function withProduct(products, product) {
  const isKnown = products.some((known) => known.sku === product.sku);
  if (isKnown) return products.map((known) => (known.sku === product.sku ? product : known));
  return [...products, product].slice(-PRODUCTS_KEPT);
}

function trimQuestions(state) {
  const closed = [...state.questions.values()].filter((question) => question.phase !== 'open');
  for (const question of closed.slice(0, Math.max(0, closed.length - CLOSED_QUESTIONS_KEPT))) {
    state.questions.delete(question.question_id);
  }
}

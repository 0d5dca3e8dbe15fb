/** One's own questions and what became of them; a card lights up while somebody answers it. */
import { el, icon, oncePerFrame } from '../ui/dom.js';
import { minutes } from '../ui/format.js';
import { setText } from '../ui/i18n.js';
import { toast } from '../ui/toast.js';

/** Only the newest few: this is a reminder, not an archive. */
const SHOWN = 3;
/** An answered question leaves the strip after this long. */
const ANSWERED_FOR_MS = 120_000;

export class MyQuestions {
  #room;
  /** @type {Set<string>} */ #told = new Set();
  /** @type {Set<string>} */ #toldClaims = new Set();
  #isFirst = true;
  #render = oncePerFrame(() => this.#renderNow());

  /** @param {HTMLElement} root @param {import('../lianmai.js').Room} room */
  constructor(root, room) {
    this.root = root;
    this.#room = room;
    room.addEventListener('questions', this.#render);
    setInterval(() => this.#tick(), 1000);
  }

  #mine() {
    const now = this.#room.now();
    return this.#room.about().questions
      .filter((question) => question.phase === 'open'
        || (question.phase === 'answered' && now - question.answered_ms < ANSWERED_FOR_MS))
      .sort((a, b) => b.asked_ms - a.asked_ms);
  }

  #renderNow() {
    const mine = this.#mine();
    this.#announce(mine);
    this.root.hidden = mine.length === 0;
    this.root.replaceChildren(...mine.slice(0, SHOWN).map((question) => this.#row(question)));
    this.#tick();
  }

  #row(question) {
    const isAnswered = question.phase === 'answered';
    const isClaimed = !isAnswered && Boolean(question.claimed_by);
    const row = el('li', {
      class: `my-question is-${question.phase}${isClaimed ? ' is-claimed' : ''}`,
      testid: 'my-question',
      attrs: { 'data-question-id': question.question_id, 'data-phase': question.phase },
    },
    icon(isAnswered ? 'check' : isClaimed ? 'mic' : 'question'),
    el('span', { class: 'my-question-text', text: question.text }),
    el('span', { class: 'my-question-state', attrs: { 'data-asked': question.asked_ms } }));
    const state = row.lastElementChild;
    if (isClaimed) {
      delete state.dataset.asked;
      setText(state, 'ask.answering', { name: question.claimed_by });
    }
    if (question.count > 1) row.append(el('p', { class: 'my-question-others', key: 'ask.others', vars: { n: question.count - 1 } }));
    if (isAnswered) {
      delete state.dataset.asked;
      setText(state, question.answer ? 'ask.answered_text' : 'ask.answered_live', { name: question.answered_by ?? '' });
      if (question.answer) row.append(el('p', { class: 'my-question-answer', text: question.answer }));
    }
    return row;
  }

  #announce(mine) {
    for (const question of mine.filter((each) => each.phase === 'answered')) {
      if (this.#told.has(question.question_id)) continue;
      this.#told.add(question.question_id);
      if (!this.#isFirst) toast(question.answer ? 'ask.got_text' : 'ask.got_live', { text: question.text }, 'ok');
    }
    for (const { question_id: id, phase, claimed_by: by, text } of mine) {
      if (phase !== 'open' || !by) this.#toldClaims.delete(id);
      else if (!this.#toldClaims.has(id)) {
        this.#toldClaims.add(id);
        if (!this.#isFirst) toast('ask.got_claim', { name: by, text }, 'ok');
      }
    }
    this.#isFirst = false;
  }

  #tick() {
    const now = this.#room.now();
    for (const state of this.root.querySelectorAll('[data-asked]')) {
      setText(state, 'ask.waiting', { time: minutes(now - Number(state.dataset.asked)) });
    }
  }
}

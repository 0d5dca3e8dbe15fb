/**
 * Buyers' questions as cards, best first: who and how many ask, why it stands here, what we know of
 * who asked first. Rows are kept and moved, never rebuilt, so that a half-typed answer survives new
 * questions; nothing moves under a pointer that is just about to press.
 */
import { avatar, el, icon, oncePerFrame } from '../ui/dom.js';
import { minutes, nameOf, roughly } from '../ui/format.js';
import { setText, t } from '../ui/i18n.js';
import { accepted } from '../ui/toast.js';
import { inviteToStage, openPerson } from './person-dialog.js';
import { labelOf } from './profiles.js';
import { asCsv, download } from './question-export.js';
import { ranked, scoreOf } from './question-rank.js';

/** Longer waits turn warm, then hot. */
const WARM_AFTER_MS = 60_000;
const HOT_AFTER_MS = 180_000;
const ROWS_SHOWN = 100;
const ANSWERED_SHOWN = 30;
const REASONS_SHOWN = 3;
/** So long after the pointer moved over the list the cards stand still. */
const HOLD_MS = 1500;

export class QuestionBoard {
  /** @type {Map<string, HTMLElement>} */ #rows = new Map();
  #room;
  #profiles;
  #isOpenTab = true;
  #render = oncePerFrame(() => this.#renderNow());
  #tabs;
  #onCount;
  #export;
  #holdUntil = 0;
  #isHeld = false;
  /** @type {Map<string, import('../sdk/types.js').Profile>} Of who asked first, as they come in. */
  #people = new Map();

  /**
   * @param {{list: HTMLElement, tabs: HTMLElement, more: HTMLElement, empty: HTMLElement}} parts
   * @param {import('../lianmai.js').Room} room
   * @param {import('./profiles.js').Profiles} profiles
   * @param {(open: number) => void} onCount
   */
  constructor({ list, tabs, more, empty }, room, profiles, onCount) {
    this.list = list;
    this.more = more;
    this.empty = empty;
    this.#room = room;
    this.#profiles = profiles;
    this.#onCount = onCount;
    this.#tabs = [this.#tab(true), this.#tab(false)];
    this.#export = el('button', {
      class: 'btn btn-small btn-quiet export-questions', key: 'console.export', testid: 'questions-export', attrs: { type: 'button' },
      on: { click: () => download(`questions-${room.state.room}.csv`, asCsv([...room.state.questions.values()])) },
    });
    tabs.append(...this.#tabs);
    tabs.after(this.#export);
    list.addEventListener('pointermove', () => { this.#holdUntil = performance.now() + HOLD_MS; });
    room.addEventListener('questions', this.#render);
    setInterval(() => this.#tick(), 1000);
    this.#render();
  }

  /** Move the keyboard's choice by `step` rows. */
  move(step) {
    const rows = [...this.list.children];
    if (!rows.length) return;
    const at = rows.indexOf(this.chosen());
    rows[Math.min(rows.length - 1, Math.max(0, at + step))].focus();
  }

  /** The row that has the focus, inside or itself. @returns {HTMLElement|null} */
  chosen() {
    return document.activeElement?.closest?.('.question') ?? null;
  }

  /** Press a button of the chosen (else the first) row. @param {'claim'|'answer-live'|'answer-text'|'dismiss'|'asker'|'question-invite'} action */
  press(action) {
    const row = this.chosen() ?? this.list.firstElementChild;
    row?.querySelector(`[data-action="${action}"]`)?.click();
  }

  #tab(isOpen) {
    return el('button', {
      class: 'segment', testid: isOpen ? 'questions-open' : 'questions-answered',
      attrs: { type: 'button', 'aria-pressed': isOpen },
      on: { click: () => {
        this.#isOpenTab = isOpen;
        for (const tab of this.#tabs) tab.setAttribute('aria-pressed', String(tab === this.#tabs[isOpen ? 0 : 1]));
        this.#render();
      } },
    });
  }

  #renderNow() {
    const all = [...this.#room.state.questions.values()];
    const open = this.#inOrder(all.filter((question) => question.phase === 'open'));
    const answered = all.filter((question) => question.phase === 'answered').sort((a, b) => b.answered_ms - a.answered_ms);
    const wanted = this.#isOpenTab ? open.slice(0, ROWS_SHOWN) : answered.slice(0, ANSWERED_SHOWN);
    this.#sync(wanted);
    setText(this.#tabs[0], 'console.questions_open', { n: open.length });
    setText(this.#tabs[1], 'console.questions_answered', { n: answered.length });
    this.more.hidden = !this.#isOpenTab || open.length <= ROWS_SHOWN;
    if (!this.more.hidden) setText(this.more, 'console.more_questions', { n: open.length - ROWS_SHOWN });
    this.empty.hidden = wanted.length > 0;
    setText(this.empty, this.#isOpenTab ? 'console.no_questions' : 'console.no_answers');
    this.#export.hidden = all.length === 0;
    this.#onCount(open.length);
    this.#tick();
  }

  /** Best first; while the pointer is busy the cards that are shown keep their places. */
  #inOrder(open) {
    const best = ranked(open, (question) => this.#people.get(question.subject), this.#room.now()).map(({ question }) => question);
    this.#isHeld = this.#isOpenTab && performance.now() < this.#holdUntil;
    if (!this.#isHeld) return best;
    const places = new Map([...this.list.children].map((row, place) => [row.dataset.questionId, place]));
    const place = ({ question_id: id }) => places.get(id) ?? ROWS_SHOWN;
    return best.sort((a, b) => place(a) - place(b));
  }

  #sync(wanted) {
    const keys = new Map(wanted.map((question) => [`${question.question_id}/${question.phase}`, question]));
    const active = document.activeElement;
    const focused = this.chosen();
    const nextFocus = focused?.nextElementSibling ?? focused?.previousElementSibling;
    for (const [key, row] of this.#rows) {
      if (keys.has(key)) continue;
      if (row === focused) nextFocus?.focus(); // the keyboard goes on with the next question
      row.remove();
      this.#rows.delete(key);
    }
    let place = this.list.firstElementChild;
    for (const [key, question] of keys) {
      let row = this.#rows.get(key);
      if (!row) {
        row = question.phase === 'open' ? this.#openRow(question) : answeredRow(question);
        this.#rows.set(key, row);
      }
      if (row === place) place = place.nextElementSibling;
      else this.list.insertBefore(row, place);
      if (question.phase === 'open') update(row, question);
    }
    // A row that moved lost the focus.
    if (active !== document.activeElement && this.list.contains(active)) active.focus({ preventScroll: true });
  }

  #openRow(question) {
    const person = { subject: question.subject, name: nameOf(question) };
    const known = el('p', { class: 'question-known', testid: 'known' });
    const label = el('span');
    const row = el('li', {
      class: 'question', testid: 'question-item',
      attrs: { tabindex: -1, 'data-question-id': question.question_id, 'data-subject': question.subject, 'data-asked': question.asked_ms },
    },
    el('div', { class: 'question-head' },
      avatar(person),
      el('button', {
        class: 'question-asker', person: question, testid: 'asker',
        attrs: { type: 'button', 'data-action': 'asker' },
        on: { click: () => openPerson(person, this.#room, this.#profiles) },
      }),
      label,
      el('span', { class: 'question-source' }),
      el('span', { class: 'question-count', testid: 'question-count' }),
      el('time', { class: 'question-wait' })),
    el('p', { class: 'question-text', text: question.text }),
    el('p', { class: 'question-askers', testid: 'question-askers' }),
    el('p', { class: 'question-claim', testid: 'question-claim' }, icon('mic'), el('span')),
    el('p', { class: 'question-why', testid: 'question-why' }),
    known);
    row.append(this.#actions(question, person, row));
    this.#profiles.get(question.subject).then((profile) => {
      if (!profile) return;
      showKnown(known, label, profile);
      this.#people.set(question.subject, profile);
      this.#render();
    });
    return row;
  }

  #actions(question, person, row) {
    const id = question.question_id;
    const button = (action, symbol, key, style, run) => el('button', {
      class: `btn btn-small ${style}`, testid: action, attrs: { type: 'button', 'data-action': action },
      on: { click: (event) => run(event.currentTarget) },
    }, icon(symbol), el('span', { key }));
    const once = async (pressed, command) => {
      pressed.disabled = true;
      if (!(await accepted(command()))) pressed.disabled = false;
    };
    const claim = (pressed) => once(pressed, () => (
      this.#room.state.questions.get(id)?.claimed_by ? this.#room.releaseQuestion(id) : this.#room.claimQuestion(id)))
      .then(() => { pressed.disabled = false; });
    return el('div', { class: 'question-actions' },
      button('claim', 'hand', 'console.claim', '', claim),
      button('answer-live', 'mic', 'console.answer_live', 'btn-ask', (pressed) => once(pressed, () => this.#room.answerQuestion(id))),
      button('answer-text', 'text', 'console.answer_text', '', () => this.#toggleForm(question, row)),
      button('question-invite', 'invite', 'console.invite', '', () => inviteToStage(person, this.#room)),
      button('dismiss', 'close', 'console.dismiss', 'btn-quiet', (pressed) => once(pressed, () => this.#room.dismissQuestion(id))));
  }

  #toggleForm(question, row) {
    const known = row.querySelector('form');
    if (known) {
      known.remove();
      return;
    }
    const id = question.question_id;
    const input = el('textarea', { class: 'field', testid: 'answer-input', label: 'console.answer_label', attrs: { rows: 2, maxlength: 500 } });
    const send = el('button', { class: 'btn btn-small btn-ask', key: 'console.answer_send', testid: 'answer-send', attrs: { type: 'submit' } });
    const form = el('form', { class: 'answer-form', on: { submit: async (event) => {
      event.preventDefault();
      const text = input.value.trim();
      if (!text) return;
      send.disabled = true;
      if (!(await accepted(this.#room.answerQuestion(id, text)))) send.disabled = false;
    } } }, input, send);
    input.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        form.requestSubmit();
      }
      if (event.key === 'Escape') {
        form.remove();
        row.focus();
      }
    });
    row.append(form);
    input.focus();
  }

  #tick() {
    const now = this.#room.now();
    for (const row of this.list.querySelectorAll('[data-asked]')) {
      const waited = now - Number(row.dataset.asked);
      row.dataset.age = waited > HOT_AFTER_MS ? 'hot' : waited > WARM_AFTER_MS ? 'warm' : 'fresh';
      const time = row.querySelector('.question-wait');
      time.textContent = minutes(waited);
      time.title = t('console.waiting_for', { time: minutes(waited) });
      const question = this.#room.state.questions.get(row.dataset.questionId);
      if (question) showWhy(row.querySelector('.question-why'), scoreOf(question, this.#people.get(question.subject), now));
    }
    if (this.#isHeld) this.#render();
  }
}

/** What may change while a card is open. */
function update(row, question) {
  const count = question.count ?? 1;
  const badge = row.querySelector('.question-count');
  badge.hidden = count < 2;
  badge.textContent = `×${count}`;
  const askers = row.querySelector('.question-askers');
  askers.hidden = count < 2;
  const names = (question.askers ?? []).map((name) => name.trim()).filter(Boolean);
  if (count > 1) setText(askers, names.length ? 'console.askers' : 'console.askers_unnamed', { names: names.join(t('console.name_separator')), n: count });
  const source = row.querySelector('.question-source');
  source.hidden = question.source !== 'detected';
  if (!source.hidden && !source.textContent) {
    source.className = 'question-source tag';
    setText(source, 'console.detected');
    source.title = (question.reasons ?? []).join('\n');
  }
  const claimed = row.querySelector('.question-claim');
  claimed.hidden = !question.claimed_by;
  row.classList.toggle('is-claimed', !claimed.hidden);
  if (!claimed.hidden) setText(claimed.lastElementChild, 'console.claimed_by', { name: question.claimed_by });
  setText(row.querySelector('[data-action="claim"] span'), claimed.hidden ? 'console.claim' : 'console.release');
}

function showWhy(node, { points, reasons }) {
  const shown = reasons.filter((reason) => Math.round(reason.points) > 0).slice(0, REASONS_SHOWN);
  const text = [t('reason.points', { n: Math.round(points) }),
    ...shown.map((reason) => `${reasonText(reason)} +${Math.round(reason.points)}`)].join(' · ');
  if (node.textContent === text) return;
  node.textContent = text;
  node.title = reasons.map((reason) => `${reasonText(reason)} +${reason.points.toFixed(1)}`).join('\n');
}

function reasonText({ kind, value }) {
  if (kind === 'intent') return t(`intent.${value}`);
  if (kind === 'waiting') return t('reason.waiting', { time: minutes(Number(value) * 1000) });
  return t(`reason.${kind}`, { n: value });
}

function showKnown(known, label, profile) {
  const { key, style } = labelOf(profile);
  label.className = style;
  setText(label, key);
  const parts = [['profile.short.visits', profile.visits], ['profile.short.dwell', roughly(profile.dwell_ms)],
    ['profile.short.questions', profile.questions_asked], ['profile.short.seats', profile.seats_taken]];
  known.replaceChildren(...parts.map(([textKey, n]) => el('span', { key: textKey, vars: { n } })));
}

function answeredRow(question) {
  const row = el('li', { class: 'question is-answered', testid: 'answered-item', attrs: { tabindex: -1, 'data-question-id': question.question_id } },
    el('div', { class: 'question-head' }, avatar(question), el('span', { class: 'question-asker', person: question }),
      question.count > 1 ? el('span', { class: 'question-count', text: `×${question.count}` }) : null,
      el('time', { class: 'question-wait', text: minutes(question.answered_ms - question.asked_ms) })),
    el('p', { class: 'question-text', text: question.text }));
  const how = el('p', { class: 'question-answer' }, icon('check'), el('span', {
    key: question.answer ? 'console.answered_by' : 'console.answered_live_by', vars: { name: question.answered_by ?? '' } }));
  row.append(how);
  if (question.answer) row.append(el('p', { class: 'question-answer-text', text: question.answer }));
  return row;
}

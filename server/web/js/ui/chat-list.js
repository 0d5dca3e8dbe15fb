/**
 * The chat: bounded, appended in one go a frame, and silent enough for a screen reader.
 * At 200 lines a second only the newest ROWS_KEPT ever become DOM nodes.
 */
import { el, hueOf, icon, oncePerFrame } from './dom.js';
import { nameOf } from './format.js';
import { setText } from './i18n.js';

const ROWS_KEPT = 200;
/** A reader hears at most one line in this time; the latest wins. */
const SPOKEN_EVERY_MS = 4_000;
/** This close to the end (px) the list follows new lines. */
const FOLLOW_WITHIN_PX = 48;

export class ChatList {
  #waiting = [];
  #unread = 0;
  #isFollowing = true;
  #spokenAt = 0;
  #flush = oncePerFrame(() => this.#render());
  #onPerson;

  /**
   * @param {HTMLElement} root scrolls
   * @param {{onPerson?: (person: {subject: string, name: string}) => void}} [options] names become buttons
   */
  constructor(root, { onPerson } = {}) {
    this.#onPerson = onPerson;
    this.root = root;
    root.classList.add('chat-list');
    root.tabIndex = 0;
    this.list = el('ol', { class: 'chat-rows', testid: 'chat-rows' });
    this.spoken = el('div', { class: 'sr-only', attrs: { 'aria-live': 'polite' } });
    this.jump = el('button', { class: 'chat-jump', testid: 'chat-jump', attrs: { type: 'button', hidden: true }, on: { click: () => this.#follow() } });
    root.append(this.list);
    root.after(this.jump, this.spoken);
    root.addEventListener('scroll', () => this.#scrolled(), { passive: true });
  }

  /** @param {import('../sdk/types.js').ChatMessage[]} messages */
  add(messages) {
    this.#waiting.push(...messages);
    if (this.#waiting.length > ROWS_KEPT) this.#waiting.splice(0, this.#waiting.length - ROWS_KEPT);
    if (!this.#isFollowing) this.#unread += messages.length;
    this.#flush();
  }

  /** Replace everything. */
  reset(messages) {
    this.#waiting = [];
    this.#unread = 0;
    this.list.replaceChildren();
    this.add(messages);
  }

  /** A line that nobody said, such as "A joined the stage". @param {string} key */
  note(key, vars) {
    this.#waiting.push({ note: key, vars });
    this.#flush();
  }

  #render() {
    const rows = document.createDocumentFragment();
    for (const message of this.#waiting) rows.append(message.note ? noteRow(message) : this.#row(message));
    const last = this.#waiting.findLast((message) => !message.note);
    this.#waiting = [];
    this.list.append(rows);
    while (this.list.childElementCount > ROWS_KEPT) this.list.firstElementChild.remove();
    if (this.#isFollowing) this.root.scrollTop = this.root.scrollHeight;
    this.#showJump();
    if (last) this.#speak(last);
  }

  #row(message) {
    const name = this.#onPerson
      ? el('button', {
          class: 'chat-name',
          person: message,
          attrs: { type: 'button', 'data-subject': message.subject },
          testid: `chat-name-${message.subject}`,
          on: { click: () => this.#onPerson({ subject: message.subject, name: nameOf(message) }) },
        })
      : el('span', { class: 'chat-name', person: message });
    name.style.setProperty('--hue', String(hueOf(message.subject)));
    const row = el('li', { class: `chat-row chat-${message.role}`, testid: 'chat-row' });
    if (message.role !== 'viewer') row.append(el('span', { class: `tag tag-${message.role}`, key: `role.${message.role}` }));
    row.append(name, el('span', { class: 'chat-text', text: message.text }));
    return row;
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.root;
    this.#isFollowing = scrollHeight - scrollTop - clientHeight < FOLLOW_WITHIN_PX;
    if (this.#isFollowing) this.#unread = 0;
    this.#showJump();
  }

  #follow() {
    this.#isFollowing = true;
    this.#unread = 0;
    this.root.scrollTop = this.root.scrollHeight;
    this.#showJump();
  }

  #showJump() {
    this.jump.hidden = this.#isFollowing || this.#unread === 0;
    if (!this.jump.hidden) setText(this.jump, 'chat.unread', { n: this.#unread > 99 ? '99+' : this.#unread });
  }

  #speak(message) {
    const now = performance.now();
    if (now - this.#spokenAt < SPOKEN_EVERY_MS) return;
    this.#spokenAt = now;
    this.spoken.textContent = `${nameOf(message)}: ${message.text}`;
  }
}

function noteRow({ note, vars }) {
  return el('li', { class: 'chat-row chat-note' }, icon('info'), el('span', { key: note, vars }));
}

/** Who waits for the mic, and whom we invited. */
import { avatar, el, icon, oncePerFrame } from '../ui/dom.js';
import { minutes, nameOf } from '../ui/format.js';
import { setText } from '../ui/i18n.js';
import { accepted } from '../ui/toast.js';
import { openPerson } from './person-dialog.js';

export class RequestList {
  /** @type {Map<string, HTMLElement>} */ #rows = new Map();
  #room;
  #profiles;
  #onCount;
  #render = oncePerFrame(() => this.#renderNow());

  /**
   * @param {{list: HTMLElement, empty: HTMLElement}} parts
   * @param {import('../lianmai.js').Room} room
   * @param {import('./profiles.js').Profiles} profiles
   * @param {(waiting: number) => void} onCount
   */
  constructor({ list, empty }, room, profiles, onCount) {
    this.list = list;
    this.empty = empty;
    this.#room = room;
    this.#profiles = profiles;
    this.#onCount = onCount;
    room.addEventListener('stage', this.#render);
    setInterval(() => this.#tick(), 1000);
    this.#render();
  }

  #renderNow() {
    const { requests, invites } = this.#room.state.stage;
    const wanted = new Map([
      ...requests.map((request) => [`request/${request.subject}/${request.requested_ms}`, () => this.#requestRow(request)]),
      ...invites.map((invite) => [`invite/${invite.subject}/${invite.invited_ms}`, () => this.#inviteRow(invite)]),
    ]);
    for (const [key, row] of this.#rows) {
      if (wanted.has(key)) continue;
      row.remove();
      this.#rows.delete(key);
    }
    for (const [key, make] of wanted) {
      if (!this.#rows.has(key)) this.#rows.set(key, make());
      this.list.append(this.#rows.get(key));
    }
    this.empty.hidden = wanted.size > 0;
    this.#onCount(requests.length);
    this.#tick();
  }

  #requestRow(request) {
    return this.#row(request, { testid: 'mic-request', since: request.requested_ms, symbol: request.media === 'video' ? 'camera' : 'mic' },
      this.#button(`accept-request-${request.subject}`, 'btn-mic', 'console.accept', () => this.#room.acceptRequest(request.subject)),
      this.#button(`reject-request-${request.subject}`, 'btn-quiet', 'console.reject', () => this.#room.rejectRequest(request.subject)));
  }

  #inviteRow(invite) {
    return this.#row(invite, { testid: 'sent-invite', until: invite.expires_ms, symbol: 'clock' },
      this.#button(`cancel-invite-${invite.subject}`, 'btn-quiet', 'console.cancel_invite', () => this.#room.cancelInvite(invite.subject)));
  }

  #row(person, { testid, since, until, symbol }, ...buttons) {
    const attrs = { 'data-subject': person.subject };
    if (since) attrs['data-since'] = since;
    if (until) attrs['data-until'] = until;
    return el('li', { class: 'request', testid, attrs },
      avatar(person),
      el('button', {
        class: 'question-asker', person, attrs: { type: 'button' },
        on: { click: () => openPerson({ subject: person.subject, name: nameOf(person) }, this.#room, this.#profiles) },
      }),
      el('span', { class: 'request-time' }, icon(symbol), el('time')),
      el('span', { class: 'request-buttons' }, ...buttons));
  }

  #button(testid, style, key, command) {
    return el('button', {
      class: `btn btn-small ${style}`, key, testid, attrs: { type: 'button' },
      on: { click: async (event) => {
        const pressed = event.currentTarget;
        pressed.disabled = true;
        if (!(await accepted(command()))) pressed.disabled = false;
      } },
    });
  }

  #tick() {
    const now = this.#room.now();
    for (const row of this.list.children) {
      const { since, until } = row.dataset;
      const time = row.querySelector('time');
      if (since) setText(time, 'console.waits', { time: minutes(now - Number(since)) });
      else setText(time, 'console.expires', { time: minutes(Number(until) - now) });
    }
  }
}

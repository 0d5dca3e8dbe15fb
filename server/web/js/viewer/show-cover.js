/** What lies over the stage while there is nothing to see: before, between and after shows. */
import { el, icon } from '../ui/dom.js';
import { clock, minutes } from '../ui/format.js';
import { setText } from '../ui/i18n.js';

export class ShowCover {
  #room;
  #timer = 0;

  /** @param {HTMLElement} root @param {import('../lianmai.js').Room} room */
  constructor(root, room) {
    this.root = root;
    this.#room = room;
    this.symbol = el('span', { class: 'cover-symbol' });
    this.title = el('h2', { class: 'cover-title', testid: 'cover-title' });
    this.text = el('p', { class: 'cover-text', testid: 'cover-text' });
    root.append(el('div', { class: 'cover-card' }, this.symbol, this.title, this.text));
    root.setAttribute('role', 'status');
    room.addEventListener('show', () => this.#show());
    room.addEventListener('seat_media', () => this.#show());
    this.#show();
  }

  #show() {
    const { show, you } = this.#room.state;
    clearInterval(this.#timer);
    const phase = you ? show.phase : 'joining';
    const isCovered = phase !== 'live' || this.#isStageEmpty();
    this.root.hidden = !isCovered;
    this.root.dataset.phase = phase;
    document.body.dataset.phase = phase;
    if (isCovered) this.#write(phase, show);
  }

  #isStageEmpty() {
    return this.#room.state.stage.seats.length === 0;
  }

  #write(phase, show) {
    this.symbol.replaceChildren(icon({ host_lost: 'signal', ended: 'check', live: 'signal' }[phase] ?? 'clock'));
    if (phase === 'scheduled' && show.title) setText(this.title, 'cover.scheduled.named', { title: show.title });
    else setText(this.title, `cover.${phase}.title`);
    if (phase === 'host_lost' && show.lost_until_ms) {
      const tick = () => setText(this.text, 'cover.host_lost.until', { time: minutes(show.lost_until_ms - this.#room.now()) });
      this.#timer = setInterval(tick, 1000);
      tick();
    } else if (phase === 'ended' && show.started_ms && show.ended_ms) {
      setText(this.text, 'cover.ended.lasted', { time: clock(show.ended_ms - show.started_ms) });
    } else {
      setText(this.text, `cover.${phase}.text`);
    }
  }
}

/** How much of the chat is shown, and slow mode, above the console's chat. */
import { el } from '../ui/dom.js';
import { compact } from '../ui/format.js';
import { onLangChange, setAttr, setText, t } from '../ui/i18n.js';
import { accepted } from '../ui/toast.js';

/** Seconds between two messages of one person that a console offers. */
const GAPS_S = [0, 5, 10, 30, 60, 300];
/** The server says the rate each second while somebody writes; older than this it holds no more. */
const RATE_HOLDS_MS = 2_500;

/** @param {HTMLElement} head the panel's @param {import('../lianmai.js').Room} room */
export function mountChatFlow(head, room) {
  head.append(rateOf(room), gapOf(room));
}

function rateOf(room) {
  const shown = el('span', { class: 'panel-hint chat-rate', testid: 'chat-rate', attrs: { hidden: true } });
  let timer = 0;
  room.addEventListener('chat_rate', ({ detail }) => {
    clearTimeout(timer);
    timer = setTimeout(() => (shown.hidden = true), RATE_HOLDS_MS);
    shown.hidden = detail.shown >= detail.received;
    setText(shown, 'chat.rate', { shown: compact(detail.shown), received: compact(detail.received) });
  });
  return shown;
}

function gapOf(room) {
  const select = el('select', { class: 'chat-gap', testid: 'slow-mode' });
  setAttr(select, 'aria-label', 'chat.slow_mode');
  setAttr(select, 'title', 'chat.slow_mode');
  const show = () => {
    const now = room.state.slowModeS;
    const gaps = GAPS_S.includes(now) ? GAPS_S : [...GAPS_S, now].sort((a, b) => a - b);
    select.replaceChildren(...gaps.map((gap) => {
      const option = el('option', { text: gap ? t('chat.slow_mode_for', { n: gap }) : t('chat.slow_mode_off') });
      option.value = String(gap);
      return option;
    }));
    select.value = String(now);
  };
  select.addEventListener('change', async () => {
    if (!(await accepted(room.setSlowMode(Number(select.value))))) show();
  });
  room.addEventListener('slow_mode', show);
  onLangChange(show);
  show();
  return select;
}

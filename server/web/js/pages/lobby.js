/** The lobby: which rooms there are and what goes on in them. */
import { avatar, byId, el, icon } from '../ui/dom.js';
import { clock, compact } from '../ui/format.js';
import { currentLang, mountLangSwitch, onLangChange, setText, translatePage } from '../ui/i18n.js';

const REFRESH_MS = 5_000;
/** Most interesting first. */
const PHASES = ['live', 'host_lost', 'scheduled', 'ended'];

let rooms = null;

async function refresh() {
  try {
    const response = await fetch('/api/v1/rooms', { headers: { Accept: 'application/json' } });
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    const answer = await response.json();
    rooms = answer.rooms ?? answer;
    byId('updated').textContent = '';
  } catch (error) {
    console.info('rooms unavailable', error);
    setText(byId('updated'), 'lobby.unreachable');
  }
  if (rooms) render();
}

function render() {
  const sorted = [...rooms].sort((a, b) => PHASES.indexOf(a.phase) - PHASES.indexOf(b.phase) || b.viewers - a.viewers);
  byId('rooms').replaceChildren(...sorted.map(card));
  const empty = byId('rooms-empty');
  empty.hidden = sorted.length > 0;
  setText(empty, 'lobby.empty');
}

function card(room) {
  const isOn = room.phase === 'live' || room.phase === 'host_lost';
  const lasts = isOn && room.started_ms ? clock(Date.now() - room.started_ms) : '';
  return el('li', {}, el('a', { class: 'room-card', testid: `room-${room.room}`, attrs: { href: `/room/${encodeURIComponent(room.room)}` } },
    el('span', { class: 'room-top' },
      avatar({ subject: room.room, name: room.title || room.room }),
      el('strong', { text: room.title || room.room })),
    el('span', { class: 'room-facts' },
      el('span', { class: 'state-pill', key: `phase.${room.phase}`, attrs: { 'data-phase': room.phase } }),
      el('span', { text: lasts }),
      el('span', {}, icon('users'), compact(room.viewers ?? 0)))));
}

function start() {
  translatePage();
  mountLangSwitch(document.querySelector('.lang-switch'));
  onLangChange(() => rooms && render());
  byId('open-room').addEventListener('submit', (event) => {
    event.preventDefault();
    location.href = `/room/${encodeURIComponent(byId('room-name').value.trim())}?lang=${currentLang()}`;
  });
  refresh();
  setInterval(() => document.visibilityState === 'visible' && refresh(), REFRESH_MS);
}

start();

/** What every room page does first: find a token, connect, show what stands in the way. */
import { connect } from '../lianmai.js';
import { mountConnectionBanner, showBlocker } from './connection-banner.js';
import { el } from './dom.js';
import { currentLang, mountLangSwitch, translatePage } from './i18n.js';
import { guestToken, keepToken, pageToken, roomOfPage } from './session.js';

/**
 * @param {{allowGuest: boolean}} options
 * @returns {Promise<import('../lianmai.js').Room|null>} null: the page now says why not
 */
export async function enterRoom({ allowGuest }) {
  translatePage();
  for (const button of document.querySelectorAll('.lang-switch')) mountLangSwitch(button);
  const roomName = roomOfPage();
  let token = pageToken();
  const isGuest = !token && allowGuest;
  if (isGuest) token = await firstGuestToken(roomName);
  if (!token) {
    if (!isGuest) askForToken();
    return null;
  }
  const room = connect({
    url: location.origin,
    token,
    room: roomName,
    lang: currentLang(),
    ...(isGuest && { refreshToken: async () => (await guestToken(roomName)).token }),
  });
  window.lianmaiRoom = room; // for tests and for people with a developer console
  room.addEventListener('token', ({ detail }) => keepToken(detail.token));
  room.addEventListener('refused', ({ detail }) => {
    if (detail.code === 'wrong_room') showBlocker('close.wrong_room');
  });
  mountConnectionBanner(room);
  return room;
}

async function firstGuestToken(roomName) {
  try {
    return (await guestToken(roomName)).token;
  } catch (error) {
    showBlocker(error.code === undefined ? 'close.unreachable' : `close.${error.code}`);
    return null;
  }
}

/** Consoles need a token; the link carries it, but a bare address may be typed. */
function askForToken() {
  const input = el('input', {
    class: 'field', testid: 'token-input', label: 'gate.token', attrs: { name: 'token', autocomplete: 'off', required: true },
  });
  const form = el('form', { class: 'gate-form', on: { submit: (event) => useToken(event, input.value) } },
    input, el('button', { class: 'btn btn-primary', key: 'gate.enter', attrs: { type: 'submit' } }));
  showBlocker('gate', { action: form });
}

function useToken(event, text) {
  event.preventDefault();
  // A whole link may be pasted as well as a bare token.
  const token = text.includes('token=') ? text.split('token=')[1].split('&')[0] : text.trim();
  location.hash = `token=${token}`;
  location.reload();
}

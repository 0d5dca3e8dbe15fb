/** Says when the room is out of reach, and covers the page when it may not be entered again. */
import { el, icon } from './dom.js';
import { hasText, setText } from './i18n.js';

/** Trouble shorter than this is not worth a word. */
const QUIET_MS = 900;

/** @param {import('../lianmai.js').Room} room */
export function mountConnectionBanner(room) {
  const text = el('span');
  const banner = el('div', { class: 'conn-banner', testid: 'connection-banner', attrs: { role: 'status', hidden: true } },
    el('span', { class: 'spinner', attrs: { 'aria-hidden': 'true' } }), text);
  document.body.append(banner);
  let timer = 0;
  const show = (key) => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      setText(text, key);
      banner.hidden = false;
    }, QUIET_MS);
  };
  const hide = () => {
    clearTimeout(timer);
    banner.hidden = true;
  };
  room.addEventListener('connection', ({ detail }) => {
    if (detail.state === 'joined') hide();
    else if (detail.state === 'closed') {
      hide();
      if (detail.reason !== 'left') showBlocker(`close.${detail.reason}`);
    } else {
      show(navigator.onLine === false ? 'conn.offline' : `conn.${detail.state}`);
    }
  });
  room.addEventListener('media', ({ detail }) => {
    if (!detail.error || detail.state === 'idle' || detail.state === 'waiting') {
      if (detail.state === 'up' && room.connection === 'joined') hide();
    } else if (room.connection === 'joined') {
      show(detail.error.code === 'media_blocked' ? 'conn.media_blocked' : 'conn.media_lost');
    }
  });
}

/**
 * Cover the page with a reason and a way out.
 * @param {string} key prefix of `.title` and `.fix`
 * @param {{action?: Node}} [options]
 */
export function showBlocker(key, { action } = {}) {
  const known = hasText(`${key}.title`) ? key : 'close.refused';
  document.querySelector('.blocker')?.remove();
  document.body.append(
    el('div', { class: 'blocker', testid: 'blocker', attrs: { role: 'alertdialog', 'data-reason': key } },
      el('div', { class: 'blocker-card' },
        icon('alert'),
        el('h2', { key: `${known}.title` }),
        el('p', { key: `${known}.fix` }),
        action ?? el('button', { class: 'btn btn-primary', key: 'common.reload', attrs: { type: 'button' }, on: { click: () => location.reload() } }),
        el('a', { class: 'link', key: 'common.to_lobby', attrs: { href: '/' } }))),
  );
}

/** Short notices at the edge of the page, read out by screen readers. */
import { LianmaiError } from '../lianmai.js';
import { el, icon } from './dom.js';
import { hasText, t } from './i18n.js';

const SHOWN_FOR_MS = 4_000;
const MAX_SHOWN = 3;
/** @type {HTMLElement|null} */ let region = null;

/** @param {string} key @param {object} [vars] @param {'info'|'ok'|'bad'} [tone] */
export function toast(key, vars, tone = 'info') {
  region ??= makeRegion();
  const node = el('div', { class: `toast toast-${tone}`, testid: 'toast' });
  node.append(icon({ info: 'info', ok: 'check', bad: 'alert' }[tone]), el('span', { key, vars }));
  region.append(node);
  while (region.childElementCount > MAX_SHOWN) region.firstElementChild.remove();
  setTimeout(() => node.remove(), SHOWN_FOR_MS);
}

/** Say why a command was refused. @param {unknown} error */
export function toastError(error) {
  const { code, retryAfterMs } = error instanceof LianmaiError ? error : new LianmaiError('internal');
  if (!(error instanceof LianmaiError)) console.error(error);
  const key = hasText(`error.${code}`) ? `error.${code}` : 'error.unknown';
  if ((code === 'rate_limited' || code === 'slow_mode') && retryAfterMs) {
    toast(`error.${code}_for`, { n: Math.ceil(retryAfterMs / 1000) }, 'bad');
  } else {
    toast(key, { code }, 'bad');
  }
}

/** Await a command and show its refusal; resolves to whether it was accepted. @param {Promise<any>} promise */
export async function accepted(promise) {
  try {
    await promise;
    return true;
  } catch (error) {
    toastError(error);
    return false;
  }
}

/** The text of a refusal code, for places other than toasts. @param {string} code */
export function errorText(code) {
  return t(hasText(`error.${code}`) ? `error.${code}` : 'error.unknown', { code });
}

function makeRegion() {
  const node = el('div', { class: 'toasts', attrs: { role: 'status', 'aria-live': 'polite' } });
  document.body.append(node);
  return node;
}

/** One problem, in words a seller understands, with what to do about it. */
import { el, icon } from './dom.js';

/** Problems whose remedy is a page of ours. */
const GUIDES = { insecure_context: '/guide/phone' };

/**
 * @param {string} code texts are `problem.<code>.title` and `problem.<code>.fix`
 * @param {() => void} [retry]
 */
export function problemCard(code, retry) {
  const card = el('div', { class: 'problem', testid: `problem-${code}`, attrs: { role: 'alert' } },
    icon('alert'),
    el('strong', { key: `problem.${code}.title` }),
    el('p', { key: `problem.${code}.fix` }));
  if (GUIDES[code]) {
    card.append(el('a', { class: 'btn btn-small', key: 'problem.open_guide', attrs: { href: GUIDES[code], target: '_blank' } }));
  } else if (retry) {
    card.append(el('button', { class: 'btn btn-small', key: 'common.retry', attrs: { type: 'button' }, on: { click: retry } }));
  }
  return card;
}

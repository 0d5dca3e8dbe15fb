/** Keys of the console. One table makes both the keys and their help. */
import { openDialog } from '../ui/dialog.js';
import { el } from '../ui/dom.js';

/**
 * @typedef {{keys: string[], text: string, run: () => void}} Shortcut `text` is a key of the dictionary
 */

/** @param {Shortcut[]} shortcuts @returns {() => void} shows the help */
export function mountShortcuts(shortcuts) {
  let isShown = false;
  const help = async () => {
    if (isShown) return;
    isShown = true;
    await openDialog({ title: 'keys.title', testid: 'keys-dialog' }, () => [table(all)]);
    isShown = false;
  };
  const all = [...shortcuts, { keys: ['?'], text: 'keys.help', run: help }];
  const byKey = new Map(all.flatMap((shortcut) => shortcut.keys.map((key) => [key, shortcut])));
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || isTyping(event.target)) return;
    if (document.querySelector('dialog[open]')) return;
    const shortcut = byKey.get(event.key);
    if (!shortcut) return;
    event.preventDefault();
    shortcut.run();
  });
  return help;
}

function isTyping(target) {
  return target instanceof HTMLElement && (target.isContentEditable || ['INPUT', 'TEXTAREA', 'SELECT'].includes(target.tagName));
}

function table(shortcuts) {
  return el('ul', { class: 'keys' }, ...shortcuts.map(({ keys, text }) =>
    el('li', {}, el('span', {}, ...keys.map((key) => el('kbd', { text: KEY_NAMES[key] ?? key }))), el('span', { key: text }))));
}

const KEY_NAMES = { ArrowDown: '↓', ArrowUp: '↑' };

/** Modal dialogs on the native `<dialog>`: focus stays inside, Escape closes, focus returns. */
import { el, icon } from './dom.js';

/**
 * Show a modal dialog; resolves with what `close(value)` was given, `null` when dismissed.
 * @template T
 * @param {{title: string, vars?: object, testid?: string, wide?: boolean, isDismissable?: boolean}} options title is a key
 * @param {(close: (value: T|null) => void) => (Node|string)[]} content
 * @returns {Promise<T|null> & {close: (value?: T|null) => void}}
 */
export function openDialog({ title, vars, testid, wide = false, isDismissable = true }, content) {
  const heading = el('h2', { key: title, vars, attrs: { id: `dialog-title-${++count}` } });
  const dialog = el('dialog', {
    class: wide ? 'dialog dialog-wide' : 'dialog',
    testid,
    attrs: { 'aria-labelledby': heading.id },
  });
  let value = null;
  const close = (result = null) => {
    value = result;
    dialog.close();
  };
  const head = el('header', { class: 'dialog-head' }, heading);
  if (isDismissable) head.append(closeButton(close));
  dialog.append(head, ...content(close));
  document.body.append(dialog);
  dialog.addEventListener('cancel', (event) => isDismissable || event.preventDefault());
  dialog.addEventListener('click', (event) => isDismissable && event.target === dialog && close());
  const done = new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(value);
    });
  });
  dialog.showModal();
  return Object.assign(done, { close });
}

/**
 * Ask yes or no. @param {{title: string, text: string, vars?: object, ok: string, isDanger?: boolean}} options keys
 * @returns {Promise<boolean>}
 */
export async function confirmDialog({ title, text, vars, ok, isDanger = false }) {
  const answer = await openDialog({ title, vars, testid: 'confirm' }, (close) => [
    el('p', { class: 'dialog-text', key: text, vars }),
    el('div', { class: 'dialog-actions' },
      el('button', { class: 'btn', key: 'common.cancel', attrs: { type: 'button' }, on: { click: () => close(false) } }),
      el('button', {
        class: isDanger ? 'btn btn-danger' : 'btn btn-primary',
        key: ok,
        testid: 'confirm-ok',
        attrs: { type: 'button' },
        on: { click: () => close(true) },
      })),
  ]);
  return answer === true;
}

let count = 0;

function closeButton(close) {
  return el('button', { class: 'icon-btn', label: 'common.close', attrs: { type: 'button' }, on: { click: () => close() } }, icon('close'));
}

/** The last look in the mirror before going on stage: preview, devices, level, picture or voice only. */
import { el, icon } from '../ui/dom.js';
import { DevicePicker } from '../ui/device-picker.js';
import { setText } from '../ui/i18n.js';

/** After an accepted invitation one goes on stage by oneself, unless something is still chosen. */
const AUTO_AFTER_S = 4;

/**
 * Build the set-up panel. `onReady` gets the chosen stream (the caller owns it) and media.
 * `isAutomatic`: confirms by itself after a short count, until a control is touched.
 * @param {{confirmKey: string, cancelKey?: string, isAutomatic?: boolean, onReady: (stream: MediaStream|null, media: 'audio'|'video') => void, onCancel: () => void}} options
 * @returns {{node: HTMLElement, open: () => void, close: () => void}}
 */
export function stageSetup({ confirmKey, cancelKey = 'common.cancel', isAutomatic = false, onReady, onCancel }) {
  const node = el('div', { class: 'stage-setup' });
  const confirm = el('button', {
    class: 'btn btn-mic', key: confirmKey, testid: 'join-stage', attrs: { type: 'button', disabled: true },
  });
  let media = 'video';
  let timer = 0;
  let mayCount = isAutomatic;
  const stopCounting = () => {
    clearInterval(timer);
    setText(confirm, confirmKey);
  };
  const startCounting = () => {
    let left = AUTO_AFTER_S;
    mayCount = false;
    const tick = () => {
      if (left <= 0) confirm.click();
      else setText(confirm, `${confirmKey}_in`, { n: left });
      left -= 1;
    };
    timer = setInterval(tick, 1000);
    tick();
  };
  const picker = new DevicePicker(node, {
    onStream: (stream) => {
      confirm.disabled = stream === null;
      if (stream && mayCount) startCounting();
    },
  });
  for (const type of ['pointerdown', 'keydown', 'change']) {
    node.addEventListener(type, (event) => event.target.closest?.('button') !== confirm && stopCounting());
  }
  const choose = (value) => {
    media = value;
    for (const button of choice.children) button.setAttribute('aria-pressed', String(button.dataset.media === value));
    picker.open({ camera: value === 'video' });
  };
  const option = (value, symbol, key) =>
    el('button', { class: 'segment', testid: `setup-${value}`, attrs: { type: 'button', 'data-media': value, 'aria-pressed': value === media }, on: { click: () => choose(value) } },
      icon(symbol), el('span', { key }));
  const choice = el('div', { class: 'segments', label: 'setup.media', attrs: { role: 'group' } },
    option('video', 'camera', 'setup.video'), option('audio', 'mic', 'setup.audio'));
  confirm.addEventListener('click', () => {
    clearInterval(timer);
    const stream = picker.take();
    onReady(stream, stream?.getVideoTracks().length ? media : 'audio');
  });
  node.append(choice, el('div', { class: 'dialog-actions' },
    el('button', { class: 'btn', key: cancelKey, testid: 'setup-cancel', attrs: { type: 'button' }, on: { click: onCancel } }),
    confirm));
  return { node, open: () => picker.open(), close: () => { clearInterval(timer); picker.close(); } };
}

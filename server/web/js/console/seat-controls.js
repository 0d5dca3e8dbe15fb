/** What staff may do with a guest's seat: mute the mic, stop the camera, remove. */
import { el, icon, setIcon } from '../ui/dom.js';
import { nameOf } from '../ui/format.js';
import { setAttr } from '../ui/i18n.js';
import { accepted } from '../ui/toast.js';

/**
 * Give a tile its controls and keep them current; called on every change of the seat.
 * @param {import('../ui/stage-tile.js').StageTile} tile
 * @param {import('../sdk/types.js').Seat} seat
 * @param {import('../lianmai.js').Room} room
 */
export function decorateSeat(tile, seat, room) {
  if (seat.seat === 0 || !room.can('manage_stage')) {
    tile.controls.replaceChildren();
    return;
  }
  if (tile.controls.dataset.subject !== seat.subject) build(tile, seat, room);
  for (const button of tile.controls.querySelectorAll('[data-source]')) {
    const { source } = button.dataset;
    const isMuted = seat.muted.includes(source);
    const symbol = source === 'microphone' ? 'mic' : 'camera';
    button.setAttribute('aria-pressed', String(isMuted));
    setAttr(button, 'aria-label', `console.${isMuted ? 'unmute' : 'mute'}_${source}`, { name: nameOf(seat) });
    setIcon(button.querySelector('svg'), isMuted ? `${symbol}-off` : symbol);
  }
}

function build(tile, seat, room) {
  tile.controls.dataset.subject = seat.subject;
  const mute = (source, symbol, testid) => el('button', {
    class: 'icon-btn seat-btn', testid, attrs: { type: 'button', 'data-source': source },
    on: { click: (event) => {
      const isMuted = event.currentTarget.getAttribute('aria-pressed') === 'true';
      accepted(room.muteSeat(seat.subject, source, !isMuted));
    } },
  }, icon(symbol));
  tile.controls.replaceChildren(
    mute('microphone', 'mic', `mute-mic-seat-${seat.seat}`),
    mute('camera', 'camera', `mute-cam-seat-${seat.seat}`),
    el('button', {
      class: 'icon-btn seat-btn', label: 'console.remove', vars: { name: nameOf(seat) }, testid: `remove-seat-${seat.seat}`, attrs: { type: 'button' },
      // At once, without a question: whoever misbehaves on a live picture must be gone in one press.
      on: { click: () => accepted(room.removeGuest(seat.subject)) },
    }, icon('close')));
}

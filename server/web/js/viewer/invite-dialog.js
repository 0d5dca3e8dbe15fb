/** The invitation: who calls, how long the seat is kept, then the mirror, then on stage. */
import { avatar, el } from '../ui/dom.js';
import { openDialog } from '../ui/dialog.js';
import { nameOf } from '../ui/format.js';
import { setText } from '../ui/i18n.js';
import { stageSetup } from './stage-setup.js';

/**
 * @param {import('../sdk/types.js').Invite} invite
 * @param {import('../lianmai.js').Room} room
 * @returns {Promise<{stream: MediaStream, media: 'audio'|'video'}|'declined'|null> & {close: () => void}}
 *   null: closed from outside, because the invitation ended
 */
export function openInvite(invite, room) {
  const left = el('span', { class: 'countdown-left' });
  const ring = el('div', { class: 'countdown', testid: 'invite-countdown' }, left);
  const host = room.state.stage.seats.find((seat) => seat.seat === 0);
  let timer = 0;
  let setup = null;
  const dialog = openDialog({ title: 'invite.title', testid: 'invite-dialog', isDismissable: false }, (close) => {
    const body = el('div', { class: 'invite-body' });
    const showSetup = () => {
      setup = stageSetup({
        confirmKey: 'invite.join',
        cancelKey: 'invite.decline',
        isAutomatic: true,
        onReady: (stream, media) => close({ stream, media }),
        onCancel: () => close('declined'),
      });
      body.replaceChildren(setup.node);
      setup.open();
    };
    body.append(
      avatar(host ?? { subject: invite.by, name: room.state.show.title || '?' }, 'avatar-big'),
      el('p', { class: 'dialog-text', key: 'invite.text', vars: { name: host ? nameOf(host) : '' } }),
      el('div', { class: 'dialog-actions' },
        el('button', { class: 'btn', key: 'invite.decline', testid: 'decline-invite', attrs: { type: 'button' }, on: { click: () => close('declined') } }),
        el('button', { class: 'btn btn-mic', key: 'invite.accept', testid: 'accept-invite', attrs: { type: 'button', autofocus: true }, on: { click: showSetup } })));
    return [ring, body];
  });
  const lasts = Math.max(1, invite.expires_ms - invite.invited_ms);
  const tick = () => {
    const ms = Math.max(0, invite.expires_ms - room.now());
    setText(left, 'invite.left', { n: Math.ceil(ms / 1000) });
    ring.style.setProperty('--left', String(Math.min(1, ms / lasts)));
  };
  timer = setInterval(tick, 250);
  tick();
  dialog.then(() => {
    clearInterval(timer);
    setup?.close();
  });
  return dialog;
}

/** Ask for the mic: same mirror, no clock. @returns {Promise<{stream: MediaStream, media: 'audio'|'video'}|null>} */
export async function openRequest() {
  let setup = null;
  const result = await openDialog({ title: 'request.title', testid: 'request-dialog' }, (close) => {
    setup = stageSetup({
      confirmKey: 'request.send',
      onReady: (stream, media) => close({ stream, media }),
      onCancel: () => close(),
    });
    setup.open();
    return [el('p', { class: 'dialog-text', key: 'request.text' }), setup.node];
  });
  setup?.close();
  return result;
}

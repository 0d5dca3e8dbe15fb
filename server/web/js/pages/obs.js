/** What OBS needs to go live here: address and key, with copy buttons; keys can be revoked. */
import { showBlocker } from '../ui/connection-banner.js';
import { confirmDialog } from '../ui/dialog.js';
import { byId, el } from '../ui/dom.js';
import { mountLangSwitch, setText, translatePage } from '../ui/i18n.js';
import { pageToken, roomOfPage } from '../ui/session.js';
import { toast } from '../ui/toast.js';

const REFRESH_MS = 5_000;
const room = roomOfPage();
const path = `/api/v1/rooms/${encodeURIComponent(room)}`;

/** @param {string} method @param {string} url @returns {Promise<any>} */
async function call(method, url) {
  const response = await fetch(url, { method, headers: { Authorization: `Bearer ${pageToken()}`, Accept: 'application/json' } });
  const body = response.status === 204 ? {} : await response.json().catch(() => ({}));
  if (!response.ok) throw Object.assign(new Error(body.message ?? `HTTP ${response.status}`), { code: body.code ?? `http_${response.status}` });
  return body;
}

async function showKeys() {
  const answer = await call('GET', `${path}/publish-keys`);
  const keys = (answer.keys ?? answer).filter((key) => !key.revoked_ms);
  byId('keys').replaceChildren(...keys.map(keyRow));
  byId('whip-url').value = answer.whip_url ?? new URL(`/whip/${encodeURIComponent(room)}`, location.origin).href;
}

function keyRow(key) {
  return el('li', { testid: 'key-row' },
    el('span', { class: 'mono', text: key.key_id }),
    el('span', { class: 'hint', text: key.made_ms ? new Date(key.made_ms).toLocaleString() : '' }),
    el('button', { class: 'btn btn-small', key: 'obs.revoke', testid: `revoke-${key.key_id}`, attrs: { type: 'button' }, on: { click: () => revoke(key.key_id) } }));
}

async function makeKey() {
  const button = byId('new-key');
  button.disabled = true;
  try {
    const made = await call('POST', `${path}/publish-keys`);
    byId('whip-key').value = made.key;
    if (made.whip_url) byId('whip-url').value = new URL(made.whip_url, location.origin).href;
    toast('obs.made', {}, 'ok');
    await showKeys();
  } catch (error) {
    refused(error);
  } finally {
    button.disabled = false;
  }
}

async function revoke(keyId) {
  const isSure = await confirmDialog({ title: 'obs.revoke', text: 'obs.revoke_text', ok: 'obs.revoke', isDanger: true });
  if (!isSure) return;
  try {
    await call('DELETE', `${path}/publish-keys/${encodeURIComponent(keyId)}`);
    byId('whip-key').value = '';
    await showKeys();
  } catch (error) {
    refused(error);
  }
}

async function showState() {
  try {
    const { phase } = await call('GET', path);
    const pill = byId('live-state');
    pill.dataset.phase = phase;
    setText(pill, `phase.${phase}`);
  } catch (error) {
    if (error.code !== 'room_not_found') console.info('room state unavailable', error);
  }
}

function refused(error) {
  if (['bad_token', 'token_expired', 'forbidden', 'wrong_room', 'http_401', 'http_403'].includes(error.code)) {
    showBlocker(error.code === 'token_expired' ? 'close.token_expired' : 'gate.not_host');
  } else {
    console.warn(error);
    toast('obs.failed', { reason: error.code ?? '' }, 'bad');
  }
}

async function copy(button) {
  const input = byId(button.dataset.copy);
  if (!input.value) return;
  try {
    await navigator.clipboard.writeText(input.value);
  } catch {
    // No clipboard on plain http: select it, so that the person's own copy key works.
    input.type = 'text';
    input.select();
    toast('obs.copy_by_hand');
    return;
  }
  toast('common.copied', {}, 'ok');
}

function start() {
  translatePage();
  mountLangSwitch(document.querySelector('.lang-switch'));
  byId('console-link').href = `/console/${encodeURIComponent(room)}${location.hash}`;
  byId('whip-url').value = new URL(`/whip/${encodeURIComponent(room)}`, location.origin).href;
  if (!pageToken()) {
    showBlocker('gate.not_host');
    return;
  }
  for (const button of document.querySelectorAll('[data-copy]')) button.addEventListener('click', () => copy(button));
  byId('new-key').addEventListener('click', makeKey);
  byId('reveal').addEventListener('click', (event) => {
    const isShown = byId('whip-key').type === 'text';
    byId('whip-key').type = isShown ? 'password' : 'text';
    event.currentTarget.setAttribute('aria-pressed', String(!isShown));
  });
  showKeys().catch(refused);
  showState();
  setInterval(showState, REFRESH_MS);
}

start();

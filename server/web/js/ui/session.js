/**
 * Who this page acts as: a token from the URL fragment, its renewed successor, or a guest token.
 * Fragments never reach the server's log; nothing here puts a token into a query.
 */

const GUEST = 'lianmai.guest';

/** The room of this page's path: `/room/{room}`, `/console/{room}`, `/obs/{room}`. */
export function roomOfPage() {
  return decodeURIComponent(location.pathname.split('/')[2] ?? '');
}

/** The token of the fragment, or the fresher one that the server gave in its place. */
export function pageToken() {
  const fromUrl = new URLSearchParams(location.hash.slice(1)).get('token');
  if (!fromUrl) return null;
  const renewed = read(sessionStorage, renewedKey());
  return renewed?.from === fromUrl ? renewed.token : fromUrl;
}

/** Keep a renewed token so that a reload after the first one's end still works. */
export function keepToken(token) {
  const fromUrl = new URLSearchParams(location.hash.slice(1)).get('token');
  if (fromUrl) write(sessionStorage, renewedKey(), { from: fromUrl, token });
  else write(localStorage, GUEST, { ...read(localStorage, GUEST), token });
}

/**
 * A guest token for a room. The old one is sent along, so that the guest stays the same person.
 * @param {string} room @param {string} [name]
 * @returns {Promise<{token: string, subject: string, name: string}>}
 */
export async function guestToken(room, name) {
  const known = read(localStorage, GUEST) ?? {};
  const body = {};
  if (name ?? known.name) body.name = name ?? known.name;
  if (known.token) body.token = known.token;
  let response = await postGuest(room, body);
  if ((response.status === 401 || response.status === 403) && body.token) {
    // The server has other keys by now (a new data folder): begin as somebody new.
    delete body.token;
    response = await postGuest(room, body);
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw Object.assign(new Error(answer.code ?? 'http'), { code: answer.code ?? `http_${response.status}` });
  write(localStorage, GUEST, { token: answer.token, ...(body.name && { name: body.name }) });
  return answer;
}

/** Whether this guest ever chose a name. */
export function guestName() {
  return read(localStorage, GUEST)?.name ?? '';
}

/** Small facts of this tab, such as "I was on stage here". @param {string} key */
export function tabFlag(key, value) {
  if (value === undefined) return read(sessionStorage, key) ?? null;
  write(sessionStorage, key, value);
  return value;
}

function postGuest(room, body) {
  return fetch(`/api/v1/rooms/${encodeURIComponent(room)}/guest`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
}

function renewedKey() {
  return `lianmai.renewed.${location.pathname}`;
}

function read(storage, key) {
  try {
    return JSON.parse(storage.getItem(key) ?? 'null');
  } catch {
    return null;
  }
}

function write(storage, key, value) {
  try {
    storage.setItem(key, JSON.stringify(value));
  } catch {
    /* blocked storage: a reload makes a new guest */
  }
}

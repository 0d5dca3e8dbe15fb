/**
 * An ICE restart without a new offer on the wire (RFC 8839 §5.4): the browser wants an answer to
 * its restarting offer, so one is made of the old answer and the server's new credentials.
 */

/** @param {string} sdp @returns {{ufrag: string, pwd: string}} */
export function iceCredentials(sdp) {
  const value = (name) => new RegExp(`^a=${name}:(\\S+)`, 'm').exec(sdp)?.[1] ?? '';
  return { ufrag: value('ice-ufrag'), pwd: value('ice-pwd') };
}

/**
 * @param {string} sdp the answer that holds
 * @param {{ufrag: string, pwd: string, candidates: string[]}} restarted values of `a=candidate:`
 * @returns {string}
 */
export function restartedAnswer(sdp, { ufrag, pwd, candidates }) {
  let isListed = false; // of the m-line that the walk is in
  const lines = sdp.split('\r\n').flatMap((line) => {
    if (line.startsWith('m=')) isListed = false;
    if (line.startsWith('a=ice-ufrag:')) return [`a=ice-ufrag:${ufrag}`];
    if (line.startsWith('a=ice-pwd:')) return [`a=ice-pwd:${pwd}`];
    if (!line.startsWith('a=candidate:')) return [line];
    if (isListed) return [];
    isListed = true; // the new ones stand where the first old one stood
    return candidates.map((candidate) => `a=candidate:${candidate.replace(/^candidate:/, '')}`);
  });
  return lines.join('\r\n');
}

/**
 * Calls `onChange` when this device came to another network: its addresses are others then.
 * @param {() => void} onChange
 * @returns {() => void} ends it
 */
export function watchNetwork(onChange) {
  const connection = navigator.connection;
  let type = connection?.type;
  const onConnection = () => {
    // `change` also tells new guesses of the speed, several times a minute.
    if (connection.type === type) return;
    type = connection.type;
    onChange();
  };
  window.addEventListener('online', onChange);
  connection?.addEventListener?.('change', onConnection);
  return () => {
    window.removeEventListener('online', onChange);
    connection?.removeEventListener?.('change', onConnection);
  };
}

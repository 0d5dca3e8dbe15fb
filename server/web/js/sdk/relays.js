/**
 * When TURN credentials stop opening relays, in Unix ms of the server's clock; Infinity where no
 * server needs any. Their username begins with that time in seconds (TURN REST convention).
 * @param {RTCIceServer[]} iceServers
 */
export function relaysEndMs(iceServers) {
  const ends = iceServers.map(({ username }) => /^(\d+):/.exec(username ?? '')?.[1]);
  return Math.min(...ends.map((seconds) => (seconds ? Number(seconds) * 1000 : Infinity)));
}

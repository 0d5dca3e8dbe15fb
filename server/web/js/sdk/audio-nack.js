/**
 * Lost sound is asked for again (RFC 4585 §6.2.1). Browsers do so once it was answered, but do not
 * offer it by themselves, so the offer on the wire says it for them; the local one stays theirs.
 */

const REPAIRED = /^a=rtpmap:(\d+) (?:opus|red)\/48000/i;

/** @param {string} sdp an offer @returns {string} */
export function withAudioNack(sdp) {
  let isAudio = false;
  return sdp
    .split('\r\n')
    .flatMap((line) => {
      if (line.startsWith('m=')) isAudio = line.startsWith('m=audio');
      const [, payloadType] = (isAudio && REPAIRED.exec(line)) || [];
      if (!payloadType || sdp.includes(`a=rtcp-fb:${payloadType} nack\r\n`)) return [line];
      return [line, `a=rtcp-fb:${payloadType} nack`];
    })
    .join('\r\n');
}

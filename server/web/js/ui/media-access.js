/** Opens cameras and microphones, and turns every way this fails into one known problem. */

const VIDEO = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30, max: 30 } };
const AUDIO = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
const STORED = 'lianmai.devices';

/**
 * A reason why there is no picture or sound from this device. Texts are `problem.<code>.title` and
 * `problem.<code>.fix`.
 * @typedef {'insecure_context'|'no_webrtc'|'permission_denied'|'no_device'|'device_busy'|'device_failed'} ProblemCode
 */
export class MediaProblem extends Error {
  /** @param {ProblemCode} code @param {unknown} [cause] */
  constructor(code, cause) {
    super(code, { cause });
    this.code = code;
  }
}

/** What is missing before any permission is asked. @returns {ProblemCode|null} */
export function missingForCapture() {
  if (!globalThis.isSecureContext) return 'insecure_context';
  if (!navigator.mediaDevices?.getUserMedia || !globalThis.RTCPeerConnection) return 'no_webrtc';
  return null;
}

/**
 * Open what is asked for. `deviceId` that vanished falls back to the default device.
 * @param {{camera?: string|boolean, microphone?: string|boolean}} wanted device ids, or true for any
 * @returns {Promise<MediaStream>}
 */
export async function openDevices({ camera = false, microphone = false }) {
  const missing = missingForCapture();
  if (missing) throw new MediaProblem(missing);
  try {
    return await navigator.mediaDevices.getUserMedia({
      video: camera ? withDevice({ ...VIDEO, facingMode: 'user' }, camera) : false,
      audio: microphone ? withDevice(AUDIO, microphone) : false,
    });
  } catch (error) {
    throw new MediaProblem(PROBLEM_OF[error.name] ?? 'device_failed', error);
  }
}

/** @returns {Promise<{cameras: MediaDeviceInfo[], microphones: MediaDeviceInfo[]}>} */
export async function listDevices() {
  const devices = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
  return {
    cameras: devices.filter((device) => device.kind === 'videoinput' && device.deviceId),
    microphones: devices.filter((device) => device.kind === 'audioinput' && device.deviceId),
  };
}

/** The devices chosen last time. @returns {{camera?: string, microphone?: string}} */
export function rememberedDevices() {
  try {
    return JSON.parse(localStorage.getItem(STORED) ?? '{}');
  } catch {
    return {};
  }
}

export function rememberDevices(choice) {
  try {
    localStorage.setItem(STORED, JSON.stringify(choice));
  } catch {
    /* blocked storage: asked again next time */
  }
}

export function stopStream(stream) {
  for (const track of stream?.getTracks() ?? []) track.stop();
}

const PROBLEM_OF = {
  NotAllowedError: 'permission_denied',
  SecurityError: 'permission_denied',
  NotFoundError: 'no_device',
  OverconstrainedError: 'no_device',
  NotReadableError: 'device_busy',
  AbortError: 'device_busy',
};

function withDevice(constraints, device) {
  return typeof device === 'string' ? { ...constraints, deviceId: { ideal: device }, facingMode: undefined } : constraints;
}

"""SRTP and SRTCP protection on libsrtp, with an in-place call for the fan-out.

RFC 3711, RFC 7714 (AES-GCM), RFC 5764 §4.1.2 (profiles).

THE RULE (DESIGN §3.7): under one key, an (SSRC, extended sequence number) never protects two
different plaintexts. AES-GCM and AES-CM derive their keystream from exactly that pair; two
plaintexts under it give away their XOR, and with GCM the authentication key as well.
`allow_repeat_tx` is on all the same, because a NACKed packet without RTX must be sent again:
that is safe only since the resend is bit-identical, header and extensions included, so the same
input gives the same ciphertext and an observer learns nothing but the repetition. Who changes a
single bit (say, a fresh abs-send-time) must use a new sequence number: RTX.
SRTCP carries its own growing index and needs no such care.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from pylibsrtp import Error, Policy, Session
from pylibsrtp._binding import ffi, lib

REPLAY_WINDOW_PACKETS: Final = 1024  # about 1 s of a 10 Mbit/s stream; aiortc uses the same
SRTCP_INDEX_BYTES: Final = 4
OUT_BUFFER_BYTES: Final = 65536
MAX_DATAGRAM_BYTES: Final = 2048  # more than any path MTU we meet; larger input is dropped
_MAX_TRAILER_BYTES: Final = 16 + 128  # SRTP_MAX_TRAILER_LEN of libsrtp
_OK: Final = lib.srtp_err_status_ok
_protect_rtp: Final[Any] = lib.srtp_protect  # a lookup in `lib` is not free
_REPLAY_CODES: Final = frozenset({9, 10})  # srtp_err_status_replay_fail, _replay_old


@dataclass(frozen=True, slots=True)
class SrtpProfile:
    """One protection profile of RFC 5764 §4.1.2 / RFC 7714 §14.2."""

    name: str
    """IANA name, as reported to signaling."""
    openssl_name: bytes
    libsrtp_id: int
    key_bytes: int
    salt_bytes: int
    tag_bytes: int
    """What `protect` adds to an RTP packet."""

    @property
    def rtcp_trailer_bytes(self) -> int:
        """What `protect_rtcp` adds: tag and SRTCP index."""
        return self.tag_bytes + SRTCP_INDEX_BYTES

    @property
    def master_bytes(self) -> int:
        """Length of the master key followed by its salt."""
        return self.key_bytes + self.salt_bytes

    def split_keys(self, material: bytes) -> tuple[bytes, bytes]:
        """(client key+salt, server key+salt) from exported material (RFC 5764 §4.2)."""
        key, salt = self.key_bytes, self.salt_bytes
        client_key, server_key = material[:key], material[key : 2 * key]
        client_salt = material[2 * key : 2 * key + salt]
        server_salt = material[2 * key + salt : 2 * key + 2 * salt]
        return client_key + client_salt, server_key + server_salt


AEAD_AES_128_GCM: Final = SrtpProfile(
    name="SRTP_AEAD_AES_128_GCM",
    openssl_name=b"SRTP_AEAD_AES_128_GCM",
    libsrtp_id=Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    key_bytes=16,
    salt_bytes=12,
    tag_bytes=16,
)
AEAD_AES_256_GCM: Final = SrtpProfile(
    name="SRTP_AEAD_AES_256_GCM",
    openssl_name=b"SRTP_AEAD_AES_256_GCM",
    libsrtp_id=Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
    key_bytes=32,
    salt_bytes=12,
    tag_bytes=16,
)
AES128_CM_SHA1_80: Final = SrtpProfile(
    name="SRTP_AES128_CM_HMAC_SHA1_80",
    openssl_name=b"SRTP_AES128_CM_SHA1_80",
    libsrtp_id=Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    key_bytes=16,
    salt_bytes=14,
    tag_bytes=10,
)

PROFILES: Final = (AEAD_AES_128_GCM, AEAD_AES_256_GCM, AES128_CM_SHA1_80)
"""Most preferred first: AES-128-GCM costs the least per packet (DESIGN §3.9)."""


def supported_profiles() -> tuple[SrtpProfile, ...]:
    """Those of `PROFILES` that this build of libsrtp has (GCM is a build option there)."""
    found = []
    for profile in PROFILES:
        try:
            Policy(srtp_profile=profile.libsrtp_id)
        except Error:
            continue
        found.append(profile)
    return tuple(found)


class OutBuffer:
    """64 KiB of memory that Python writes through `view` and libsrtp protects in place.

    One serves a whole process: the fan-out builds a GSO run in it, protects each segment where
    it lies, and hands `view[a:b]` to the socket before the next run overwrites it. `capacity`
    is `OUT_BUFFER_BYTES`; a trailer's worth of slack behind it keeps libsrtp inside.
    """

    __slots__ = ("capacity", "cdata", "view")

    def __init__(self, capacity: int = OUT_BUFFER_BYTES) -> None:
        self.capacity = capacity
        self.cdata: Any = ffi.new("unsigned char[]", capacity + _MAX_TRAILER_BYTES)
        self.view = memoryview(ffi.buffer(self.cdata))


_LENGTH: Final[Any] = ffi.new("int *")
_SCRATCH: Final = OutBuffer(MAX_DATAGRAM_BYTES)
_SCRATCH_BYTES: Final[Any] = ffi.buffer(_SCRATCH.cdata)
"""Where one packet lies and how long it is while libsrtp works on it. Calls do not overlap (one
thread a process), and memory of each peer's own would be 4 KiB and two cold cache lines more."""


class SrtpSender:
    """Protects everything that goes to one peer, any SSRC, under one master key.

    `refused` counts packets libsrtp would not protect: older than the replay window, or after
    2**48 packets.
    """

    __slots__ = ("_context", "_session", "profile", "refused", "tag_bytes")

    def __init__(self, profile: SrtpProfile, key: bytes) -> None:
        self.profile = profile
        self.tag_bytes = profile.tag_bytes
        self.refused = 0
        self._session = Session(_policy(profile, key, Policy.SSRC_ANY_OUTBOUND))
        self._context: Any = self._session._srtp[0]

    def protect_rtp(self, data: bytes) -> bytes:
        """SRTP of one RTP packet; empty when refused. The convenient, copying way."""
        return self._protect(lib.srtp_protect, data)

    def protect_rtcp(self, data: bytes) -> bytes:
        """SRTCP of one compound RTCP packet; empty when refused."""
        return self._protect(lib.srtp_protect_rtcp, data)

    def protect_into(self, buffer: OutBuffer, offset: int, length: int) -> int:  # hot path
        """Protect in place the RTP packet at `buffer.view[offset:offset + length]`.

        Returns the protected length (`length + tag_bytes`), or 0 when libsrtp refused; then
        the bytes there are undefined and must not be sent. The `tag_bytes` behind the packet
        are overwritten. No bounds are checked: the caller keeps
        `offset + length + tag_bytes <= buffer.capacity`.
        """
        _LENGTH[0] = length
        if _protect_rtp(self._context, buffer.cdata + offset, _LENGTH) != _OK:
            self.refused += 1
            return 0
        return length + self.tag_bytes

    def _protect(self, function: Any, data: bytes) -> bytes:  # noqa: ANN401  # a cffi function
        size = len(data)
        if size > MAX_DATAGRAM_BYTES:
            self.refused += 1
            return b""
        _SCRATCH.view[:size] = data
        _LENGTH[0] = size
        if function(self._context, _SCRATCH.cdata, _LENGTH) != _OK:
            self.refused += 1
            return b""
        return bytes(_SCRATCH.view[: _LENGTH[0]])


class SrtpReceiver:
    """Opens everything that comes from one peer, any SSRC.

    `auth_failed` counts forged, damaged or malformed packets, `replayed` those seen before or
    older than `REPLAY_WINDOW_PACKETS`.
    """

    __slots__ = ("_context", "_session", "auth_failed", "profile", "replayed")

    def __init__(self, profile: SrtpProfile, key: bytes) -> None:
        self.profile = profile
        self.auth_failed = 0
        self.replayed = 0
        self._session = Session(_policy(profile, key, Policy.SSRC_ANY_INBOUND))
        self._context: Any = self._session._srtp[0]

    def unprotect_rtp(self, data: bytes) -> bytes | None:  # hot path
        """The RTP packet inside, or None (counted) when forged, replayed or malformed."""
        return self._unprotect(lib.srtp_unprotect, data)

    def unprotect_rtcp(self, data: bytes) -> bytes | None:
        """The compound RTCP packet inside, or None (counted)."""
        return self._unprotect(lib.srtp_unprotect_rtcp, data)

    def _unprotect(self, function: Any, data: bytes) -> bytes | None:  # noqa: ANN401  # cffi
        size = len(data)
        if size > MAX_DATAGRAM_BYTES:
            self.auth_failed += 1
            return None
        _SCRATCH_BYTES[0:size] = data
        _LENGTH[0] = size
        status = function(self._context, _SCRATCH.cdata, _LENGTH)
        if status == _OK:
            return _SCRATCH_BYTES[0 : _LENGTH[0]]  # type: ignore[no-any-return]  # cffi: no types
        if status in _REPLAY_CODES:
            self.replayed += 1
        else:
            self.auth_failed += 1
        return None


def _policy(profile: SrtpProfile, key: bytes, ssrc_type: int) -> Policy:
    policy = Policy(
        key=key[: profile.master_bytes], ssrc_type=ssrc_type, srtp_profile=profile.libsrtp_id
    )
    policy.allow_repeat_tx = True
    policy.window_size = REPLAY_WINDOW_PACKETS
    return policy

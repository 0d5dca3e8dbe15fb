"""Two SRTP profiles, and the keys that DTLS exports for them (RFC 5764 §4.1.2, RFC 7714 §14.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pylibsrtp
from pylibsrtp import Policy

REPLAY_WINDOW: Final = 1024
"""Packets: late ones are still opened."""


@dataclass(frozen=True, slots=True)
class SrtpProfile:
    """`name` is OpenSSL's."""

    name: str
    libsrtp_id: int
    key_bytes: int
    salt_bytes: int

    @property
    def material_bytes(self) -> int:
        """What the DTLS exporter has to give."""
        return 2 * (self.key_bytes + self.salt_bytes)

    def split(self, material: bytes) -> tuple[bytes, bytes]:
        """(client's key and salt, server's key and salt); on the wire the keys come first, then
        the salts (RFC 5764 §4.2)."""
        key, salts = self.key_bytes, 2 * self.key_bytes
        middle = salts + self.salt_bytes
        return material[:key] + material[salts:middle], material[key:salts] + material[middle:]


GCM: Final = SrtpProfile("SRTP_AEAD_AES_128_GCM", Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 16, 12)
CM_SHA1: Final = SrtpProfile(
    "SRTP_AES128_CM_SHA1_80", Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 16, 14
)


@dataclass(frozen=True, slots=True)
class SrtpKeys:
    """What a finished handshake agreed on."""

    profile: SrtpProfile
    local: bytes
    remote: bytes


class SrtpContext:
    """Both directions of one peer. Opening returns None for what does not authenticate."""

    __slots__ = ("_in", "_out", "profile", "unopened")

    def __init__(self, keys: SrtpKeys) -> None:
        self.profile = keys.profile
        self._out = _session(keys.profile, keys.local, Policy.SSRC_ANY_OUTBOUND)
        self._in = _session(keys.profile, keys.remote, Policy.SSRC_ANY_INBOUND)
        self.unopened = 0
        """Without the replays: a datagram that the network doubled is no failure."""

    def protect(self, plain: bytes) -> bytes:
        return bytes(self._out.protect(plain))

    def protect_rtcp(self, plain: bytes) -> bytes:
        return bytes(self._out.protect_rtcp(plain))

    def open_untrusted(self, datagram: bytes) -> bytes | None:
        try:
            return bytes(self._in.unprotect(datagram))
        except (pylibsrtp.Error, ValueError) as error:
            self._note(error)
            return None

    def open_rtcp_untrusted(self, datagram: bytes) -> bytes | None:
        try:
            return bytes(self._in.unprotect_rtcp(datagram))
        except (pylibsrtp.Error, ValueError) as error:
            self._note(error)
            return None

    def _note(self, error: Exception) -> None:
        if not str(error).startswith("replay"):
            self.unopened += 1


def _session(profile: SrtpProfile, key: bytes, ssrc_type: int) -> pylibsrtp.Session:
    policy = Policy(key, ssrc_type, srtp_profile=profile.libsrtp_id)
    policy.window_size = REPLAY_WINDOW
    # A packet that is sent again without RTX is the same packet again.
    policy.allow_repeat_tx = True
    return pylibsrtp.Session(policy)

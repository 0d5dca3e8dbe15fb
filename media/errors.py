"""Errors of the media plane.

MediaError
├── ProtocolError
│   ├── LocalProtocolError     our caller misused a core (a bug of ours)
│   └── RemoteProtocolError    the peer sent something wrong; parsers raise only this
└── OfferRefused               a well-formed offer that we will not answer; carries a code
"""

from __future__ import annotations

from typing import Final

OFFER_CODES: Final[dict[str, str]] = {
    "bad_sdp": "The SDP offer cannot be parsed or lacks what WebRTC requires.",
    "unsupported_codec": "No codec of the offer is allowed by the room's codec policy.",
    "too_many_tracks": "A publisher may send at most one audio and one video track per offer.",
    "too_many_slots": "The offer has more receive-only m-lines than the room gives slots.",
    "not_bundled": "All m-lines must share one transport (BUNDLE, RFC 9143) with rtcp-mux.",
    "unknown_peer": "There is no such peer (any more).",
    "too_many_peers": "This media process is full; try again later.",
}


class MediaError(Exception):
    """Base of everything that media raises on purpose."""


class ProtocolError(MediaError):
    """A protocol rule was broken, by us or by the peer."""


class LocalProtocolError(ProtocolError):
    """Our own caller used a core wrongly."""


class RemoteProtocolError(ProtocolError):
    """The peer sent bytes that a protocol forbids. `reason` is a short counter-friendly code."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class OfferRefused(MediaError):
    """An offer that is refused with one of `OFFER_CODES`."""

    def __init__(self, code: str, message: str | None = None) -> None:
        assert code in OFFER_CODES, f"unregistered refusal code {code}"
        self.code = code
        self.message = message or OFFER_CODES[code]
        super().__init__(f"{code}: {self.message}")

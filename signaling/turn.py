"""Time-limited TURN credentials that need no account at the relay: it shares one secret with us.

draft-uberti-behave-turn-rest-00 §2.2; coturn calls it `use-auth-secret`. The relay computes the
same HMAC from the username and refuses with 401 once the time in it has passed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

import msgspec

from signaling.ids import Subject
from signaling.views import IceServer


class TurnServers(msgspec.Struct, frozen=True, kw_only=True):
    """Relays that share one secret."""

    urls: tuple[str, ...]
    """RFC 7065, such as `turns:turn.example:5349?transport=tcp`."""
    secret: str
    ttl_s: int
    """An allocation made in time may be refreshed beyond it; a new one may not be made."""

    def __repr__(self) -> str:
        return f"TurnServers(urls={self.urls!r}, ttl_s={self.ttl_s})"

    def for_person(self, subject: Subject, now_ms: int) -> IceServer:
        """What one person may relay with from now on (Unix milliseconds) for `ttl_s`."""
        username = f"{now_ms // 1000 + self.ttl_s}:{subject}"
        # SHA-1 is what the convention names and every relay computes. As HMAC it still holds.
        digest = hmac.digest(self.secret.encode(), username.encode(), hashlib.sha1)
        return IceServer(
            urls=self.urls, username=username, credential=base64.b64encode(digest).decode()
        )

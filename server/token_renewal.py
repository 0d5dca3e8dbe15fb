"""A fresh token on the socket well before the old one ends, so that a resume finds it valid."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import msgspec

from server.identity import GUEST_PREFIX
from server.signing import JOIN_TTL_S, SigningKeys, TokenClaims
from server.socket_link import SocketLink
from signaling.codec import encode
from signaling.protocol import Batch, TokenRenewed

GUEST_TTL_S: Final = 24 * 3600
"""A guest has no account to sign in to again: the token is what keeps a visitor the same person
from one show to the next, and it opens nothing that a stranger could not have."""
MARGIN_S: Final = 300
"""Renewed so long before the end, or at half of what is left if that is later."""


def ttl_of(claims: TokenClaims) -> int:
    """Seconds that a renewed token of this person lives."""
    return GUEST_TTL_S if claims.user.startswith(GUEST_PREFIX) else JOIN_TTL_S


class TokenRenewal:
    """One timer of one socket; runs as long as the socket does."""

    def __init__(self, *, signing: SigningKeys, link: SocketLink) -> None:
        self._signing = signing
        self._link = link
        self._timer: asyncio.TimerHandle | None = None

    def start(self, claims: TokenClaims) -> None:
        """Arm for these claims."""
        remaining_s = claims.exp - time.time()
        delay_s = max(remaining_s - MARGIN_S, remaining_s / 2, 1.0)
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._renew, claims)

    def stop(self) -> None:
        """The socket is gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _renew(self, claims: TokenClaims) -> None:
        renewed = msgspec.structs.replace(claims, exp=int(time.time()) + ttl_of(claims))
        message = TokenRenewed(token=self._signing.mint(renewed), expires_ms=renewed.exp * 1000)
        self._link.write(encode(Batch(messages=(message,)), self._link.encoding))
        self.start(renewed)

"""What publishers and viewers share: a transport, its addresses, its counters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from media.errors import RemoteProtocolError
from media.ice import Address
from media.seam import PeerId
from media.transport import PeerTransport

Read = TypeVar("Read")

MAX_DROP_REASONS: Final = 64
"""Reasons are our own words; the bound only guards against a mistake of ours."""


class Peer:
    """One transport and its plain counters (packets and bytes of RTP, header included)."""

    def __init__(self, peer_id: PeerId, transport: PeerTransport) -> None:
        self.peer_id = peer_id
        self.transport = transport
        self.addresses: list[Address] = []
        self.ufrags: list[str] = []
        self.packets_in = 0
        self.bytes_in = 0
        self.srtp_profile: str | None = None
        self.is_heard = False
        self.is_silent = False
        self._dropped: dict[str, int] = {}

    @property
    def is_connected(self) -> bool:
        return self.transport.srtp_out is not None and not self.transport.is_closed

    def take_heard(self) -> bool:
        """Whether authenticated media came since the last call."""
        is_heard, self.is_heard = self.is_heard, False
        return is_heard

    def drop(self, reason: str) -> None:
        """Count something that was dropped, by reason."""
        if reason in self._dropped or len(self._dropped) < MAX_DROP_REASONS:
            self._dropped[reason] = self._dropped.get(reason, 0) + 1

    @property
    def dropped(self) -> dict[str, int]:
        """What was dropped since the peer began, by reason; a fresh dict without zeros."""
        merged = {**self.transport.dropped, **self._dropped}
        return {reason: count for reason, count in merged.items() if count}

    def open_rtcp(self, data: bytes, read: Callable[[bytes], Read]) -> Read | None:
        """What `read` finds in one SRTCP datagram; None when it was dropped (and counted)."""
        receiver = self.transport.srtp_in
        plain = receiver.unprotect_rtcp(data) if receiver is not None else None
        if plain is None:
            self.drop("srtcp")
            return None
        self.is_heard = True
        try:
            return read(plain)
        except RemoteProtocolError as error:
            self.drop(error.reason)
            return None

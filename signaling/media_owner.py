"""Whose transports: a connection and its person, across a dropped socket."""

from __future__ import annotations

from collections.abc import Callable

from signaling.identity import Identity
from signaling.ids import NO_CONN, ConnId
from signaling.protocol import DirectMessage

Tell = Callable[[DirectMessage], None]


class MediaOwner:
    """Owns the transports that one connection opened. `conn` is empty for WHIP and WHEP.

    `tell` reaches the present socket; None while it is lost (or there never was one), then
    messages about slots are dropped, because a resume is answered with the full map.
    """

    def __init__(self, who: Identity, conn: ConnId = NO_CONN, tell: Tell | None = None) -> None:
        self.who = who
        self.conn = conn
        self._tell = tell

    @property
    def is_http(self) -> bool:
        return not self.conn

    @property
    def is_attached(self) -> bool:
        return self._tell is not None

    def attach(self, who: Identity, conn: ConnId, tell: Tell) -> None:
        """A socket of the same person opened, or came back."""
        self.who = who
        self.conn = conn
        self._tell = tell

    def detach(self) -> None:
        self._tell = None

    def tell(self, message: DirectMessage) -> None:
        if self._tell is not None:
            self._tell(message)

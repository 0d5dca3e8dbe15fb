"""Who is at the other end of a connection, as the front door has verified it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec

from signaling.actor import Actor, is_staff
from signaling.close_codes import CloseCode
from signaling.ids import NO_CONN, ConnId, RoomId, RoomRef, ShopId, Subject
from signaling.views import Role


class Identity(msgspec.Struct, frozen=True):
    """A verified token: a person in one room, and what they may do there.

    `user` is the shop's own name of the person; it never leaves the front door.
    """

    shop: ShopId
    room: RoomId
    subject: Subject
    user: str
    name: str
    role: Role
    grants: frozenset[str]

    @property
    def ref(self) -> RoomRef:
        return RoomRef(self.shop, self.room)

    @property
    def is_staff(self) -> bool:
        return is_staff(self.grants)

    def as_actor(self, conn: ConnId = NO_CONN) -> Actor:
        """The person as folds see them; `conn` is empty over HTTP."""
        return Actor(
            subject=self.subject,
            name=self.name,
            role=self.role,
            grants=self.grants,
            conn=conn,
            is_present=bool(conn),
        )


class ClientLink(Protocol):
    """One WebSocket, as the front door implements it."""

    encoding: Literal["json", "msgpack"]

    def write(self, frame: bytes) -> None:
        """Send one encoded payload; never blocks, drops silently once closing."""
        ...

    def write_together(self, frames: Sequence[bytes]) -> None:
        """As `write` for each of them in turn, at the price of one."""
        ...

    def buffered_bytes(self) -> int:
        """What was written and not yet taken by the network."""
        ...

    def close(self, code: CloseCode) -> None: ...

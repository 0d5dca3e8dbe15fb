"""What targets have in common that carry media and no messages."""

from __future__ import annotations

from loadtest.rtc.light_peer import SocketFactory
from loadtest.targets.target import Capability, Encoding, Member, OnDelay, RoomSocket, TargetError


class MediaOnly:
    """Base of such a target."""

    name: str
    capabilities: frozenset[Capability] = frozenset({Capability.MEDIA})

    async def open_socket(
        self,
        who: Member,
        *,
        encoding: Encoding = "json",
        on_delay: OnDelay | None = None,
        manages: bool = False,
        tcp: SocketFactory | None = None,
        host: str | None = None,
    ) -> RoomSocket:
        """Raises `TargetError`."""
        raise TargetError(f"{self.name} has no messages: it is asked for media only")

"""The list of rooms of a shop, for lobbies and back ends."""

from __future__ import annotations

import asyncio

import msgspec

from signaling.errors import Refusal
from signaling.group_writer import GroupWriter
from signaling.ids import RoomId, RoomRef, ShopId
from signaling.presence import PresenceBook
from signaling.room_store import RoomStore
from signaling.store_keys import rooms_key
from signaling.views import ShowPhase

_ON_AIR = ("live", "host_lost")


class RoomSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One room from outside. `started_ms` is that of the last show, None before the first."""

    room: str
    title: str
    phase: ShowPhase
    viewers: int
    started_ms: int | None


class RoomIndex:
    """Reads summaries. Raises `Refusal("store_unavailable")`."""

    def __init__(self, writer: GroupWriter, store: RoomStore, presence: PresenceBook) -> None:
        self._writer = writer
        self._store = store
        self._presence = presence

    async def rooms(self, shop: ShopId) -> list[RoomSummary]:
        """Every room that was ever opened: on air first, then by name."""
        names = await self._writer.execute("SMEMBERS", rooms_key(shop))
        refs = [RoomRef(shop, RoomId(name.decode())) for name in names]
        summaries = await asyncio.gather(*(self._summary(ref) for ref in refs))
        return sorted(
            (summary for summary in summaries if summary is not None),
            key=lambda summary: (summary.phase not in _ON_AIR, summary.room),
        )

    async def room(self, ref: RoomRef) -> RoomSummary:
        """Raises `Refusal("room_not_found")`."""
        summary = await self._summary(ref)
        if summary is None:
            raise Refusal("room_not_found")
        return summary

    async def _summary(self, ref: RoomRef) -> RoomSummary | None:
        view, viewers = await asyncio.gather(self._store.view(ref), self._presence.count(ref))
        if not view.exists:
            return None
        show = view.state.show
        return RoomSummary(
            room=ref.room,
            title=show.title,
            phase=show.phase,
            viewers=viewers,
            started_ms=show.started_ms,
        )

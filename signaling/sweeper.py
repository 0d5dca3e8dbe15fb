"""Clears away what a node left behind that ended without a word (kill -9, power cut).

Any node may sweep, two may at once: engagements carry natural keys and commands that change
nothing are harmless. They are said before the record is erased, so a sweeper that dies as well is
followed by the next one.
"""

from __future__ import annotations

import logging

from signaling import commands as c
from signaling.clock import Clock
from signaling.desk import Desk
from signaling.engagement import EngagementSink
from signaling.ids import RoomRef, Subject
from signaling.presence import Attendance, PresenceBook
from signaling.room_store import RoomStore
from signaling.visits import left_by_sweep

log = logging.getLogger(__name__)


class Sweeper:
    """Raises `Refusal("store_unavailable")`; the next round tries again."""

    def __init__(
        self,
        *,
        store: RoomStore,
        desk: Desk,
        presence: PresenceBook,
        sink: EngagementSink,
        clock: Clock,
    ) -> None:
        self._store = store
        self._desk = desk
        self._presence = presence
        self._sink = sink
        self._clock = clock

    async def sweep(self, ref: RoomRef) -> Attendance:
        """Settle everything of dead nodes in one room; returns who was in it before."""
        now_ms = self._clock.now_ms()
        attendance = await self._presence.attendance(ref)
        orphans = attendance.orphans(now_ms)
        uplinks = attendance.orphaned_uplinks(now_ms)
        if orphans or uplinks:
            log.info("room_swept conns=%d uplinks=%d", len(orphans), len(uplinks))
            await self._sink.emit_durably([left_by_sweep(ref, orphan) for orphan in orphans])
            gone = {orphan.presence.subject for orphan in orphans} | set(uplinks)
            await self._settle(ref, gone, attendance, now_ms)
            await self._presence.erase(ref, orphans, uplinks)
        dead = [node for node in attendance.seen_ms if not attendance.is_alive(node, now_ms)]
        await self._presence.forget_nodes(ref, dead)
        return attendance

    async def sweep_abandoned(self) -> None:
        """Sweep the rooms that no living node serves."""
        for ref in await self._presence.abandoned_rooms(self._clock.now_ms()):
            attendance = await self.sweep(ref)
            now_ms = self._clock.now_ms()
            if not any(attendance.is_alive(node, now_ms) for node in attendance.seen_ms):
                await self._presence.close_room(ref)

    async def _settle(
        self, ref: RoomRef, gone: set[Subject], attendance: Attendance, now_ms: int
    ) -> None:
        state = (await self._store.view(ref)).state
        for subject in gone:
            node = attendance.uplinks.get(subject)
            is_sending = node is not None and attendance.is_alive(node, now_ms)
            is_here = attendance.is_here(subject, now_ms)
            if not is_here:
                await self._desk.commit(ref, c.PersonLeft(subject))
            if state.stage.seat_of(subject) is None or is_sending:
                continue
            if not is_here or node is not None:
                # Their media ended with the node; a socket elsewhere does not bring it back.
                await self._desk.commit(ref, c.SeatConnectionLost(subject))

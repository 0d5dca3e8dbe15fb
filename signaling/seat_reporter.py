"""Tells the room what this node's media hears of seated people.

Media events only mark a person; what is said follows from comparing the seat in the room with the
transports here, so nothing has to be queued, said in order or said twice: after a store outage the
comparison is simply made again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from signaling import commands as c
from signaling.clock import Clock
from signaling.desk import Desk
from signaling.errors import Refusal
from signaling.ids import RoomRef, Subject
from signaling.presence import PresenceBook
from signaling.room_state import RoomState
from signaling.room_store import RoomStore
from signaling.stage_state import HOST_SEAT, Seat
from signaling.tasks import TaskSet
from signaling.uplinks import Hearing, Uplinks

log = logging.getLogger(__name__)

RETRY_S: Final = 0.5
"""After a refusal of the store; a seat's grace is thirty times that."""


class SeatReporter:
    """One per room and node. `is_here` says whether a person has an open socket on this node."""

    def __init__(
        self,
        ref: RoomRef,
        *,
        store: RoomStore,
        desk: Desk,
        presence: PresenceBook,
        uplinks: Uplinks,
        is_here: Callable[[str], bool],
        clock: Clock,
        tasks: TaskSet,
    ) -> None:
        self._ref = ref
        self._store = store
        self._desk = desk
        self._presence = presence
        self._uplinks = uplinks
        self._is_here = is_here
        self._clock = clock
        self._tasks = tasks
        self._marked: dict[Subject, None] = {}
        self._is_working = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._known: set[Subject] = set()
        """Those whom the store lists as sending to this node."""

    def mark(self, subject: Subject) -> None:
        """Something about this person's transports or socket changed."""
        self._marked[subject] = None
        if not self._is_working:
            self._is_working = True
            self._idle.clear()
            self._tasks.spawn(self._work(), "seats")

    async def wait_idle(self) -> None:
        """Return when all that was marked has been said."""
        await self._idle.wait()

    async def _work(self) -> None:
        try:
            while self._marked:
                subject = next(iter(self._marked))
                del self._marked[subject]
                try:
                    await self._settle(subject)
                except Refusal as refusal:
                    log.warning("seat_report_refused code=%s", refusal.code)
                    if refusal.code == "shutting_down":
                        return
                    if refusal.retryable:
                        self._marked.setdefault(subject)
                        await asyncio.sleep(RETRY_S)
        finally:
            self._is_working = False
            self._idle.set()

    async def _settle(self, subject: Subject) -> None:
        await self._list_uplink(subject)
        if self._uplinks.hearing(subject) is Hearing.NONE:
            node = await self._presence.uplink_node(self._ref, subject)
            if node is not None and node != self._presence.node:
                return  # that node reports, or the sweep does when it is gone
        state = (await self._store.view(self._ref)).state
        seat = state.stage.seat_of(subject)
        if seat is None:
            return
        for command in self._differences(state, seat):
            await self._desk.commit(self._ref, command)

    async def _list_uplink(self, subject: Subject) -> None:
        """Keep the store's list of who sends to this node: it is what survives our crash."""
        is_sending = self._uplinks.hearing(subject) is not Hearing.NONE
        if is_sending and subject not in self._known:
            await self._presence.uplink_began(self._ref, subject, self._clock.now_ms())
            self._known.add(subject)
        elif not is_sending and subject in self._known:
            await self._presence.uplink_ended(self._ref, subject)
            self._known.discard(subject)

    def _differences(self, state: RoomState, seat: Seat) -> list[c.RoomCommand]:
        subject = seat.subject
        sending = self._uplinks.sending(subject)
        commands: list[c.RoomCommand] = [
            c.SourceStarted(subject, source) for source in sorted(sending - set(seat.sources))
        ]
        commands += [
            c.SourceStopped(subject, source) for source in sorted(set(seat.sources) - sending)
        ]
        is_lost = seat.reconnecting_until_ms is not None
        if seat.seat == HOST_SEAT:
            is_lost = state.show.phase == "host_lost"
        match self._uplinks.hearing(subject):
            case Hearing.HEARD:
                is_away = False
            case Hearing.SILENT:
                is_away = True
            case Hearing.NONE if seat.seat == HOST_SEAT and seat.sources:
                is_away = True  # the picture went away; that the console is open does not help
            case Hearing.NONE if seat.seat == HOST_SEAT and self._is_here(subject):
                is_away = is_lost  # a console without a camera neither loses nor returns
            case Hearing.NONE:
                is_away = not self._is_here(subject)
        if is_away and not is_lost:
            commands.append(c.SeatConnectionLost(subject))
        elif is_lost and not is_away:
            commands.append(c.SeatConnectionBack(subject))
        return commands

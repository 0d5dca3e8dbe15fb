"""What happens in rooms without anybody asking: deadlines, counts, refreshes, sweeps."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

from signaling.commands import Tick
from signaling.errors import Refusal
from signaling.ids import RoomRef
from signaling.lane import Lane
from signaling.presence import REFRESH_S
from signaling.served_room import Parts, ServedRoom
from signaling.sweeper import Sweeper
from signaling.tasks import TaskSet

log = logging.getLogger(__name__)

SOON_MS: Final = 3_600_000
"""A deadline so near keeps a room in memory that nobody is in."""
TICK_AGAIN_S: Final = 1.0
"""Wait after a refused tick; a deadline of 15 s or more is not hurt by it."""
TICK_S: Final = 0.25
"""How often deadlines are looked at: short beside the shortest grace, and a clock may jump."""
COUNT_S: Final = 1.0
SIGNALS_S: Final = 2.5
"""How often consoles are told how seats are heard: soon enough to act on, rare enough to read."""
IDLE_S: Final = 10.0
"""How long a room without people stays open on this node: a reload finds it warm."""
SWEEP_EVERY: Final = 4
"""Refreshes between two sweeps of a room in which nobody seems to be missing."""


class Housekeeping:
    """Four loops of a node. One that fails is logged and goes on: the store may be away."""

    def __init__(
        self,
        parts: Parts,
        *,
        sweeper: Sweeper,
        rooms: Callable[[], list[ServedRoom]],
        close_room: Callable[[ServedRoom], Awaitable[None]],
    ) -> None:
        self._parts = parts
        self._sweeper = sweeper
        self._rooms = rooms
        self._close_room = close_room
        self._tasks = TaskSet("housekeeping")
        self._ticking: set[RoomRef] = set()
        self._rounds = 0
        self.closed_totals: Counter[str] = Counter()
        """Counters of rooms that were closed, so that totals never fall."""
        self.closed_messages: Counter[Lane] = Counter()

    async def start(self) -> None:
        self._tasks.spawn(self._every(TICK_S, self._tick_due), "ticks")
        self._tasks.spawn(self._every(COUNT_S, self._count), "counts")
        self._tasks.spawn(self._every(SIGNALS_S, self.tell_signals), "signals")
        self._tasks.spawn(self._every(REFRESH_S, self.refresh), "refresh")

    async def close(self) -> None:
        await self._tasks.close()

    async def _every(self, period_s: float, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while True:
            try:
                await work()
            except Refusal as refusal:
                log.warning("housekeeping_refused work=%s code=%s", work.__name__, refusal.code)
            except Exception:
                # A bug met by one round must not end the rounds of the whole node.
                log.exception("housekeeping_failed work=%s", work.__name__)
            await asyncio.sleep(period_s)

    # --- deadlines ------------------------------------------------------------------------------

    async def _tick_due(self) -> None:
        now_ms = self._parts.clock.now_ms()
        for ref, deadline_ms in self._parts.store.deadlines().items():
            if deadline_ms <= now_ms and ref not in self._ticking:
                self._ticking.add(ref)
                self._tasks.spawn(self._tick(ref), f"tick.{ref.room}")

    async def _tick(self, ref: RoomRef) -> None:
        try:
            await self._parts.desk.commit(ref, Tick())
        except Refusal as refusal:
            log.warning("tick_refused room=%s code=%s", ref.room, refusal.code)
            # While `_ticking` holds the room, no other tick of it is tried: a store that is away
            # is asked once in this time, not at every round.
            await asyncio.sleep(TICK_AGAIN_S)
        finally:
            self._ticking.discard(ref)

    # --- counts ---------------------------------------------------------------------------------

    async def _count(self) -> None:
        rooms = self._rooms()
        busy = [room for room in rooms if len(room.hub)]
        await asyncio.gather(*(self._count_room(room) for room in busy))
        now = self._parts.clock.monotonic()
        for room in busy:
            room.hub.tell_chat_rate(room.chat_door.shed, now)
        for room in rooms:
            if not room.is_idle:
                room.idle_since = None
            elif room.idle_since is None:
                room.idle_since = now
            elif now - room.idle_since >= IDLE_S:
                await self._close_idle(room)

    async def _count_room(self, room: ServedRoom) -> None:
        hub, store = room.hub, self._parts.store
        likes, room.pending_likes = room.pending_likes, 0
        try:
            if likes:
                hub.likes = await store.add_likes(room.ref, hub.show_id, likes)
            elif hub.show_id:
                hub.likes = await store.likes(room.ref, hub.show_id)
            hub.viewers = await self._parts.presence.count(room.ref)
        except Refusal:
            room.pending_likes += likes
            return
        hub.tell_counts()

    async def _close_idle(self, room: ServedRoom) -> None:
        hub = room.hub
        self.closed_totals.update(
            frames_out=hub.frames_out,
            chat_shed=hub.shed_chat,
            slow_shed=hub.shed_slow,
            slow_readers=hub.slow_readers,
        )
        self.closed_messages += hub.messages_out
        await self._close_room(room)

    # --- signals --------------------------------------------------------------------------------

    async def tell_signals(self) -> None:
        """Tell consoles how their seats are heard: one question to media for all rooms."""
        watched = [room for room in self._rooms() if room.hub.has_staff]
        wanted = tuple(peer_id for room in watched for peer_id in room.stage.seat_peers())
        stats = {}
        if wanted:
            answer = await self._parts.link.stats(wanted)
            stats = {peer.peer_id: peer for peer in answer.peers}
        now = self._parts.clock.monotonic()
        for room in watched:
            room.hub.tell_signals(room.stage.seat_signals(stats, now))

    # --- presence -------------------------------------------------------------------------------

    async def refresh(self) -> None:
        """Say which rooms this node serves, and sweep what other nodes left behind."""
        now_ms = self._parts.clock.now_ms()
        served = [room for room in self._rooms() if not room.is_idle]
        await self._parts.presence.refresh([room.ref for room in served], now_ms)
        self._rounds += 1
        for room in served:
            self._heartbeats(room, now_ms)
            room.limits.forget_idle(self._parts.clock.monotonic())
            await room.unlist()
            listed = await self._parts.presence.count(room.ref)
            is_someone_elsewhere = listed != len(room.hub)
            if is_someone_elsewhere or self._rounds % SWEEP_EVERY == 1:
                await self._sweeper.sweep(room.ref)
        await self._sweeper.sweep_abandoned()
        self._forget_states()

    def _heartbeats(self, room: ServedRoom, now_ms: int) -> None:
        sink = self._parts.sink
        for session in room.hub.sessions():
            sink.emit(session.visit.heartbeat(now_ms))
            likes = session.visit.take_likes(now_ms)
            if likes is not None:
                sink.emit(likes)

    def _forget_states(self) -> None:
        """Rooms that were only looked at or swept; one with a deadline is kept until it is due.
        Deadlines far away are those of open questions: they wait until somebody looks again."""
        served = {room.ref for room in self._rooms()}
        soon_ms = self._parts.clock.now_ms() + SOON_MS
        deadlines = self._parts.store.deadlines()
        waiting = {ref for ref, due_ms in deadlines.items() if due_ms <= soon_ms}
        for ref in self._parts.store.refs():
            if ref not in served and ref not in waiting:
                self._parts.store.forget(ref)

"""One audience class of a room on this node: everybody in it gets the same bytes (DESIGN 4.4).

`LaneQueue` decides what leaves when; here a flush is encoded once per encoding and written to the
members in slices, so that thousands of writes do not hold the loop. Members may fall behind by some
flushes while a pass is under way; they always get them in order.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from typing import Final

from signaling import codec
from signaling.identity import ClientLink
from signaling.ids import Subject
from signaling.lane import Lane
from signaling.lanes import Flush, LaneQueue, Reader, Verdict
from signaling.protocol import Batch, ChatSaid, OutMessage
from signaling.tasks import TaskSet

SLICE: Final = 512
"""Members written to between two turns of the loop: some 5 ms at 10 us a write."""


class Member:
    """One connection as the fan-out sees it."""

    __slots__ = ("is_staff", "link", "next_frame", "reader", "subject")

    def __init__(self, link: ClientLink, subject: Subject, is_staff: bool) -> None:
        self.link = link
        self.subject = subject
        self.is_staff = is_staff
        self.reader = Reader()
        self.next_frame = 0
        """Number of the first flush that it has not been given."""

    def write(self, batch: Batch) -> None:
        """A frame for this connection alone."""
        self.link.write(codec.encode(batch, self.link.encoding))


class _Frames:
    """One flush, encoded when somebody needs it and then once."""

    __slots__ = ("_encoded", "flush")

    def __init__(self, flush: Flush) -> None:
        self.flush = flush
        self._encoded: dict[tuple[codec.Encoding, Verdict], bytes | None] = {}

    def encoded(self, encoding: codec.Encoding, verdict: Verdict) -> bytes | None:
        key = (encoding, verdict)
        if key not in self._encoded:
            is_whole = verdict is Verdict.ALL
            batch = self.flush.batch() if is_whole else self.flush.batch_without_chat()
            self._encoded[key] = None if batch is None else codec.encode(batch, encoding)
        return self._encoded[key]


class Broadcast:
    """The members of one class and what waits for them. `on_slow` is told of a member that has to
    be closed; it is taken out before. `on_shed` is told of chat that nobody here was shown."""

    def __init__(
        self,
        tasks: TaskSet,
        *,
        on_slow: Callable[[Member], None],
        on_flushed: Callable[[], None],
        on_shed: Callable[[tuple[ChatSaid, ...]], None] = lambda shed: None,
    ) -> None:
        self._tasks = tasks
        self._on_slow = on_slow
        self._on_flushed = on_flushed
        self._on_shed = on_shed
        self._queue = LaneQueue()
        self._has_waiting = False
        self._members: dict[Member, None] = {}
        self._frames: deque[_Frames] = deque()
        self._first_frame = 0
        """Number of the oldest flush kept."""
        self._is_passing = False
        self._timer: asyncio.TimerHandle | None = None
        self.shed_chat = 0
        self.shed_slow = 0
        """Messages that readers who do not keep up were not given, once they were told."""
        self.frames_out = 0
        self.joined = 0
        """Members that ever came."""
        self.messages_out: Counter[Lane] = Counter()
        """Each counted once for each member it was meant for."""

    def __len__(self) -> int:
        return len(self._members)

    @property
    def is_settled(self) -> bool:
        """True when every event that was enqueued has been flushed: a member may join now."""
        return not self._has_waiting

    def add(self, member: Member) -> None:
        """From the next flush on; the caller has brought it up to `is_settled`."""
        self.joined += 1
        member.next_frame = self._end_frame
        self._members[member] = None

    def discard(self, member: Member) -> None:
        self._members.pop(member, None)

    def enqueue(self, lane: Lane, message: OutMessage, position: str | None = None) -> None:
        """Let a message wait; call `pump` after the last one of a delivery."""
        self._queue.enqueue(lane, message, asyncio.get_running_loop().time(), position)
        self.messages_out[lane] += len(self._members)
        if lane is not Lane.AMBIENT:
            self._has_waiting = True

    def advance(self, lane: Lane, position: str) -> None:
        """The stream moved on by something that this class does not see."""
        self._queue.advance(lane, position)

    def pump(self, now: float | None = None) -> None:
        """Flush what is due and arm the timer for the rest."""
        if now is None:
            now = asyncio.get_running_loop().time()
        flush = self._queue.take_flush(now)
        if flush is not None:
            self._accept(flush)
        self._arm()

    def flush_now(self) -> None:
        """Flush before the deadline: something personal must not overtake what waits."""
        deadline = self._queue.next_deadline()
        if self._has_waiting and deadline is not None:
            flush = self._queue.take_flush(max(deadline, asyncio.get_running_loop().time()))
            if flush is not None:
                self._accept(flush)
            self._arm()

    def catch_up(self, member: Member) -> None:  # hot path
        """Give a member every flush that it lacks, in one write: what became urgent while a pass
        was under way costs those whom it has not reached nothing more."""
        link, lacked = member.link, []
        buffered_bytes = link.buffered_bytes()
        while member.next_frame < self._end_frame:
            frames = self._frames[member.next_frame - self._first_frame]
            member.next_frame += 1
            verdict = member.reader.judge(frames.flush, buffered_bytes)
            if verdict is Verdict.CLOSE:
                self.discard(member)
                self._on_slow(member)
                return
            if verdict is Verdict.NOTHING:
                continue
            data = frames.encoded(link.encoding, verdict)
            if data is not None:
                lacked.append(data)
        if len(lacked) == 1:
            link.write(lacked[0])
        elif lacked:
            link.write_together(lacked)
        shed = member.reader.take_shed()
        if shed is not None:
            self.shed_slow += shed.count
            member.write(Batch(messages=(shed,)))

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._members.clear()

    @property
    def _end_frame(self) -> int:
        return self._first_frame + len(self._frames)

    def _accept(self, flush: Flush) -> None:
        self._has_waiting = False
        self.shed_chat += flush.shed_chat
        self.frames_out += 1
        self._frames.append(_Frames(flush))
        if not self._is_passing:
            self._pass()
        if flush.shed:
            self._on_shed(flush.shed)
        self._on_flushed()

    def _pass(self) -> None:
        if len(self._members) > SLICE:
            self._is_passing = True
            self._tasks.spawn(self._pass_in_slices(), "pass")
            return
        for member in list(self._members):
            self.catch_up(member)
        self._drop_frames(self._end_frame)

    async def _pass_in_slices(self) -> None:
        # What may change at the `sleep`: members come (they need nothing older) and go; flushes
        # are added, which members at the end of this pass get in their turn and those at its
        # beginning in the next.
        try:
            while self._frames:
                end = self._end_frame
                members = list(self._members)
                for start in range(0, len(members), SLICE):
                    for member in members[start : start + SLICE]:
                        if member in self._members:
                            self.catch_up(member)
                    await asyncio.sleep(0)
                self._drop_frames(end)
        finally:
            self._is_passing = False

    def _drop_frames(self, end: int) -> None:
        while self._first_frame < end:
            self._frames.popleft()
            self._first_frame += 1

    def _arm(self) -> None:
        deadline = self._queue.next_deadline()
        if self._timer is not None:
            if deadline == self._timer.when():
                return
            self._timer.cancel()
            self._timer = None
        if deadline is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(deadline, self._on_timer, deadline)

    def _on_timer(self, deadline: float) -> None:
        self._timer = None
        self.pump(max(deadline, asyncio.get_running_loop().time()))

"""The way out: what waits for the next frame of a room, by lane, and who may take it.

`LaneQueue` serves one room and one audience class (public, staff): everybody of the class gets the
same bytes. It is a machine: `enqueue(..., now)`, then `next_deadline()`, then `take_flush(now)`;
`now` is monotonic seconds. `Reader` decides for one connection what of a flush it gets.

One flush is one frame: everything of control, question, commerce and chat that waits, in this
order, and ambient when it is due. So a flush of any durable lane sends every earlier entry of
the log, and the position in the frame is true.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from signaling.lane import Lane
from signaling.protocol import Batch, ChatSaid, OutMessage, Shed

TICK_S: Final[Mapping[Lane, float]] = {
    Lane.CONTROL: 0.0,
    Lane.QUESTION: 0.020,
    Lane.COMMERCE: 0.020,
    Lane.CHAT: 0.050,
    Lane.AMBIENT: 1.0,
}
"""Least time between two flushes that a lane causes. The first message of a quiet spell leaves at
once; 20 and 50 ms are below what a reader notices and turn a flood into 50 and 20 writes a second.
"""

MAX_CHAT_PER_FLUSH: Final = 50
"""Beyond it the oldest of whoever says most is shed and counted: at 20 flushes a second nobody
reads even these."""

MAX_BUFFERED_BYTES: Final = 256 * 1024
"""Unsent bytes of one connection beyond which it is closed as a slow reader: some ten seconds
of a busy room, and a bound on what thousands of stuck readers can cost us."""


@dataclass(frozen=True, slots=True)
class Flush:
    """What one frame carries. `shed_chat` chat messages fell out since the last flush.

    `log` and `chat_position` are the positions after it, None where they did not move.
    """

    durable: tuple[OutMessage, ...]
    """Control, then question, then commerce."""
    chat: tuple[OutMessage, ...]
    ambient: tuple[OutMessage, ...]
    shed_chat: int
    log: str | None
    chat_position: str | None
    shed: tuple[ChatSaid, ...] = ()
    """Those messages, for the receipts of their authors."""

    def batch(self) -> Batch:
        """The frame for connections that keep up."""
        messages = (*self.durable, *self.chat, *self.ambient)
        if self.shed_chat:
            messages = (*messages, Shed(lane="chat", count=self.shed_chat, reason="flood"))
        return Batch(messages=messages, log=self.log, chat=self.chat_position)

    def batch_without_chat(self) -> Batch | None:
        """The frame for slow readers; None when nothing durable is in it."""
        if not self.durable:
            return None
        return Batch(messages=self.durable, log=self.log)


class LaneQueue:
    """Waiting messages of one room and audience class, and when the next frame is due.

    Bounds: chat keeps `max_chat`, of the loudest author the newest, and counts what it sheds;
    ambient keeps the latest of each type; durable lanes are not bounded here, they leave within
    20 ms and were limited on their way in. After any call re-arm one timer with
    `next_deadline()`; on wake-up pass `max(deadline, loop.time())`.
    """

    def __init__(
        self, *, tick_s: Mapping[Lane, float] = TICK_S, max_chat: int = MAX_CHAT_PER_FLUSH
    ) -> None:
        self._tick_s = tick_s
        self._durable: dict[Lane, list[OutMessage]] = {lane: [] for lane in Lane if lane.is_durable}
        self._chat: deque[OutMessage] = deque()
        self._lines: Counter[str] = Counter()
        """Of each author in `_chat`."""
        self._max_chat = max_chat
        self._ambient: dict[type[OutMessage], OutMessage] = {}
        self._due: dict[Lane, float] = {}
        self._last_flush: dict[Lane, float] = {}
        self._shed_chat = 0
        self._shed: list[ChatSaid] = []
        self._log: str | None = None
        self._chat_position: str | None = None

    def enqueue(
        self, lane: Lane, message: OutMessage, now: float, position: str | None = None
    ) -> None:
        """Let a message wait for its flush; `position` is where the stream stands after it."""
        if lane.is_durable:
            self._durable[lane].append(message)
        elif lane is Lane.CHAT:
            self._chat.append(message)
            self._lines[_author(message)] += 1
            if len(self._chat) > self._max_chat:
                self._shed_one()
        else:
            self._ambient[type(message)] = message
        if position is not None:
            self.advance(lane, position)
        if lane not in self._due:
            last = self._last_flush.get(lane)
            self._due[lane] = now if last is None else max(now, last + self._tick_s[lane])

    def _shed_one(self) -> None:
        """The oldest line of whoever has most: a shouter never displaces a quiet person."""
        most = max(self._lines.values())
        index = next(i for i, line in enumerate(self._chat) if self._lines[_author(line)] == most)
        line = self._chat[index]
        del self._chat[index]
        self._lines[_author(line)] -= 1
        self._shed_chat += 1
        if isinstance(line, ChatSaid):
            self._shed.append(line)

    def advance(self, lane: Lane, position: str) -> None:
        """The stream moved on by something this audience does not see; told with the next flush."""
        if lane.is_durable:
            self._log = position
        else:
            self._chat_position = position

    def next_deadline(self) -> float | None:
        """Monotonic seconds of the next flush; None while nothing waits."""
        return min(self._due.values(), default=None)

    def due_lane(self) -> Lane | None:
        """The lane that causes the next flush: the reason of the deadline."""
        return min(self._due, key=lambda lane: (self._due[lane], lane), default=None)

    def take_flush(self, now: float) -> Flush | None:
        """Everything that leaves now; None before the deadline."""
        deadline = self.next_deadline()
        if deadline is None or deadline > now:
            return None
        flush = Flush(
            durable=tuple(m for lane in self._durable for m in self._durable[lane]),
            chat=tuple(self._chat),
            ambient=self._take_ambient(now),
            shed_chat=self._shed_chat,
            log=self._log,
            chat_position=self._chat_position,
            shed=tuple(self._shed),
        )
        self._forget_sent(now)
        return flush

    def _take_ambient(self, now: float) -> tuple[OutMessage, ...]:
        due = self._due.get(Lane.AMBIENT)
        if due is None or due > now:
            return ()
        taken = tuple(self._ambient.values())
        self._ambient.clear()
        del self._due[Lane.AMBIENT]
        self._last_flush[Lane.AMBIENT] = now
        return taken

    def _forget_sent(self, now: float) -> None:
        for lane in [lane for lane in self._due if lane is not Lane.AMBIENT]:
            del self._due[lane]
            self._last_flush[lane] = now
        for messages in self._durable.values():
            messages.clear()
        self._chat.clear()
        self._lines.clear()
        self._shed_chat = 0
        self._shed.clear()
        self._log = self._chat_position = None


def _author(message: OutMessage) -> str:
    return message.chat.subject if isinstance(message, ChatSaid) else ""


class Verdict(Enum):
    """What one connection gets of a flush."""

    ALL = "all"
    WITHOUT_CHAT = "without_chat"
    """`Flush.batch_without_chat()`: it still has unsent bytes."""
    NOTHING = "nothing"
    CLOSE = "close"
    """Close it with `CloseCode.SLOW_READER`; it resumes from its positions."""


class Reader:
    """How well one connection keeps up. Call `judge` once for each flush, then `take_shed`."""

    def __init__(self, *, max_buffered_bytes: int = MAX_BUFFERED_BYTES) -> None:
        self._max_buffered_bytes = max_buffered_bytes
        self._shed = 0
        self._keeps_up = True

    def judge(self, flush: Flush, buffered_bytes: int) -> Verdict:
        """`buffered_bytes`: what was written to this connection and not yet sent."""
        self._keeps_up = buffered_bytes == 0
        if buffered_bytes > self._max_buffered_bytes:
            return Verdict.CLOSE
        if self._keeps_up:
            return Verdict.ALL
        self._shed += len(flush.chat) + flush.shed_chat
        return Verdict.WITHOUT_CHAT if flush.durable else Verdict.NOTHING

    def take_shed(self) -> Shed | None:
        """The notice owed to a reader that has caught up; None when nothing was shed."""
        if not self._keeps_up or self._shed == 0:
            return None
        notice = Shed(lane="chat", count=self._shed, reason="slow_reader")
        self._shed = 0
        return notice

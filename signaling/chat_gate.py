"""The way in of a room's chat: who is heard when more people write than a room can read.

A machine: `offer` a message, wake at `next_deadline()`, `take(now)` says who passes and who does
not; `now` is monotonic seconds. While a room is quiet everything passes at once. Beyond the room's
rate messages wait for the end of a short window, and then those pass whose authors were heard
longest ago: a shouter never displaces a quiet person. Nobody is left without an answer.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Final, Generic, NamedTuple, TypeVar

from signaling.ids import Subject
from signaling.limits import Allowance, TokenBucket

WINDOW_S: Final = 0.050
"""One flush of chat: what is chosen together leaves together."""
MAX_WAITING: Final = 2_000
"""Messages of one window; four times what a node's sockets say in 50 ms of the worst flood seen."""
MAX_WAITING_EACH: Final = 2
"""Newest kept: more lines of one person in a twentieth of a second nobody misses."""
MAX_REMEMBERED: Final = 20_000
"""People of whom is known when they were heard; beyond it the one heard longest ago is forgotten,
and counts as never heard."""

T = TypeVar("T")


class Choice(NamedTuple, Generic[T]):
    """Both in the order in which they were offered."""

    passed: tuple[T, ...]
    shed: tuple[T, ...]


class _Waiting(NamedTuple, Generic[T]):
    number: int
    item: T


class ChatGate(Generic[T]):
    """Chat of one room on one node. `allowance` is the room's, not a person's.

    `passed` and `shed` count messages for ever.
    """

    def __init__(
        self,
        allowance: Allowance,
        now: float,
        *,
        window_s: float = WINDOW_S,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self._bucket = TokenBucket(allowance, now)
        self._quiet_above = allowance.burst / 2
        self._window_s = window_s
        self._max_waiting = max_waiting
        self._waiting: dict[Subject, deque[_Waiting[T]]] = {}
        self._count = 0
        self._number = 0
        self._deadline: float | None = None
        self._heard: OrderedDict[Subject, int] = OrderedDict()
        """When authors passed, as a running number; the one heard longest ago first."""
        self._turn = 0
        self.passed = 0
        self.shed = 0

    def offer(self, author: Subject, item: T, now: float) -> Choice[T]:
        """What is decided at once: the item passed, or it (or an older one) is shed; with
        neither, it waits for `take`."""
        if self._deadline is None and self._bucket.level(now) > self._quiet_above:
            self._bucket.take(now)
            self._hear(author)
            self.passed += 1
            return Choice((item,), ())
        own = self._waiting.get(author)
        if own is None:
            if self._count >= self._max_waiting:
                self.shed += 1
                return Choice((), (item,))
            own = self._waiting[author] = deque()
        self._number += 1
        own.append(_Waiting(self._number, item))
        self._count += 1
        if self._deadline is None:
            self._deadline = now + self._window_s
        if len(own) <= MAX_WAITING_EACH and self._count <= self._max_waiting:
            return Choice((), ())
        self._count -= 1
        self.shed += 1
        return Choice((), (own.popleft().item,))

    def next_deadline(self) -> float | None:
        """Monotonic seconds of the end of the window; None while nothing waits."""
        return self._deadline

    def take(self, now: float) -> Choice[T]:
        """The end of a window: everything that waits is decided. Nothing before the deadline."""
        if self._deadline is None or now < self._deadline:
            return Choice((), ())
        passed = self._choose(int(self._bucket.level(now)))
        self._bucket.take(now, len(passed))
        rest = [one for own in self._waiting.values() for one in own]
        self._waiting.clear()
        self._count = 0
        self._deadline = None
        self.passed += len(passed)
        self.shed += len(rest)
        return Choice(_in_order(passed), _in_order(rest))

    def _choose(self, room: int) -> list[_Waiting[T]]:
        """Newest of each author, in rounds, those heard longest ago first; taken out."""
        authors = sorted(
            self._waiting,
            key=lambda author: (self._heard.get(author, -1), -self._waiting[author][-1].number),
        )
        passed: list[_Waiting[T]] = []
        while len(passed) < room and any(self._waiting[author] for author in authors):
            for author in authors:
                own = self._waiting[author]
                if own and len(passed) < room:
                    passed.append(own.pop())
                    self._hear(author)
        return passed

    def _hear(self, author: Subject) -> None:
        self._turn += 1
        self._heard[author] = self._turn
        self._heard.move_to_end(author)
        if len(self._heard) > MAX_REMEMBERED:
            self._heard.popitem(last=False)


def _in_order(chosen: list[_Waiting[T]]) -> tuple[T, ...]:
    return tuple(one.item for one in sorted(chosen, key=lambda one: one.number))

"""A bounded queue for each lane: what waits for one scarce thing, here the store.

A machine. Each lane has room of its own, so a flood of chat can fill chat's only: that is the
share that is guaranteed to the lanes above. `take` serves the upper lanes first, but never all:
each lane that waits gets some of every group, so none starves.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Final, Generic, TypeVar

from signaling.lane import Lane

ROOM: Final[Mapping[Lane, int]] = {
    Lane.CONTROL: 20_000,
    Lane.QUESTION: 4_000,
    Lane.COMMERCE: 2_000,
    Lane.CHAT: 3_000,
    Lane.AMBIENT: 1_000,
}
"""Items that may wait. Control holds every newcomer's look at the room as well."""
LEAST_OF_GROUP: Final = 16
"""A group has at least one place in so many for every lane that waits."""

T = TypeVar("T")


class Backlog(Generic[T]):
    """Order holds within a lane; between lanes the upper one goes first."""

    def __init__(self, room: Mapping[Lane, int] = ROOM) -> None:
        self._room = room
        self._waiting: dict[Lane, deque[T]] = {lane: deque() for lane in Lane}

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def push(self, lane: Lane, item: T) -> bool:
        """Let an item wait; False when its lane is full, and then it does not."""
        waiting = self._waiting[lane]
        if len(waiting) >= self._room[lane]:
            return False
        waiting.append(item)
        return True

    def take(self, most: int) -> list[T]:
        """At most `most` items, upper lanes first, some of each lane that waits."""
        least = most // LEAST_OF_GROUP
        owed = {lane: min(least, len(self._waiting[lane])) for lane in Lane}
        left = most - sum(owed.values())
        taken: list[T] = []
        for lane, waiting in self._waiting.items():
            extra = min(len(waiting) - owed[lane], left)
            left -= extra
            taken += [waiting.popleft() for _ in range(owed[lane] + extra)]
        return taken

    def clear(self) -> list[T]:
        """Take everything out."""
        taken = [item for waiting in self._waiting.values() for item in waiting]
        for waiting in self._waiting.values():
            waiting.clear()
        return taken

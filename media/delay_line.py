"""A delay line for received datagrams: the debug switch that makes the server slow on purpose.

With it a load tester can prove that slowness shows up as latency in its figures, and not as
silence. It holds everything that came in, checks and handshakes too, because a slow process is
slow in everything; and in one queue, so that order is kept.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from media.ice import Address

MAX_DELAY_MS: Final = 1000
"""Beyond this, peers take silence for an end, and it is latency no more."""
MAX_HELD_DATAGRAMS: Final = 65_536
"""One second of 600 Mbit/s at 1,200 bytes: some 80 MB."""

Batch = list[tuple[bytes, Address]]


class DelayLine:
    """A machine: `handle_batch` takes in, `take_due` gives back what was held for `delay_s`.

    What does not fit into `max_held` datagrams is dropped from the end of its batch and counted.
    """

    def __init__(self, delay_s: float, max_held: int = MAX_HELD_DATAGRAMS) -> None:
        assert 0 < delay_s <= MAX_DELAY_MS / 1000, "no delay needs no delay line"
        self._delay_s = delay_s
        self._max_held = max_held
        self._queue: deque[tuple[float, Batch]] = deque()
        self._held = 0
        self.dropped = 0
        """Datagrams that found the line full."""

    def handle_batch(self, batch: Batch, now: float) -> None:
        """Hold what arrived at `now` (monotonic s). The line keeps the list."""
        room = self._max_held - self._held
        if len(batch) > room:
            self.dropped += len(batch) - room
            batch = batch[:room]
        if batch:
            self._held += len(batch)
            self._queue.append((now + self._delay_s, batch))

    def next_deadline(self) -> float | None:
        """When the oldest batch is due; None while nothing is held."""
        return self._queue[0][0] if self._queue else None

    def take_due(self, now: float) -> list[Batch]:
        """The batches that are due at `now`, as they came and in their order."""
        due: list[Batch] = []
        while self._queue and self._queue[0][0] <= now:
            _, batch = self._queue.popleft()
            self._held -= len(batch)
            due.append(batch)
        return due

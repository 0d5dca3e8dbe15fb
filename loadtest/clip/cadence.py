"""When the next unit of a stream (a picture, 20 ms of sound) is due: a core without a clock."""

from __future__ import annotations

from typing import Final

SKIP_AFTER_S: Final = 0.5
"""Later than that a live source has moved on: what it missed is left out."""
BURST_UNITS: Final = 3
"""At most so many at once, so that catching up floods nobody."""


class Cadence:
    """Unit n is due at `start + n / per_s`. Gives the numbers of the units to send.

    A caller that is late gets several, `BURST_UNITS` at most; the rest follows one unit's time
    later, so that catching up is at most that many times as fast as the stream.
    """

    def __init__(self, start: float, per_s: int) -> None:
        """`start`: monotonic seconds."""
        self.skipped = 0
        self.late_s_worst = 0.0
        self._start = start
        self._per_s = per_s
        self._next = 0
        self._not_before = start

    @property
    def next_deadline(self) -> float:
        return max(self._due(self._next), self._not_before)

    def offset_s(self, number: int) -> float:
        """From the start to when that unit is due."""
        return number / self._per_s

    def take_due(self, now: float) -> range:
        """The numbers to send now; every number is given once, or skipped."""
        if now < self.next_deadline:
            return range(0)
        late_s = now - self._due(self._next)
        self.late_s_worst = max(self.late_s_worst, late_s)
        if late_s > SKIP_AFTER_S:
            current = int((now - self._start) * self._per_s)
            self.skipped += current - self._next
            self._next = current
        first = self._next
        while self._next - first < BURST_UNITS and self._due(self._next) <= now:
            self._next += 1
        if self._due(self._next) <= now:  # the burst was cut short
            self._not_before = now + 1 / self._per_s
        return range(first, self._next)

    def _due(self, number: int) -> float:
        return self._start + number / self._per_s

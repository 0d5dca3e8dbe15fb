"""Jitter as queues elsewhere make it: a delay that wanders, and keeps the order."""

from __future__ import annotations

import math
import random
from typing import Final

_SHORTEST_LEG_S: Final = 0.1
"""A neighbour's burst on a shared link comes and goes about so fast."""
_LEG_REACHES: Final = 4
"""A leg is at least so many times the reach: a delay that falls from one end to the other then
falls by half a second a second at most, and nobody overtakes."""


class Wander:
    """An offset that goes straight from one random value within ± `reach_s` to the next.

    A fresh value for each packet, as netem draws it, would shuffle the packets of every frame,
    which no real link does; kept in order, it would pin a busy link to the longest delay.
    """

    def __init__(self, reach_s: float, rng: random.Random) -> None:
        self._reach_s = reach_s
        self._rng = rng
        self._leg_s = max(_SHORTEST_LEG_S, _LEG_REACHES * reach_s)
        self._starts_at = self._ends_at = -math.inf
        self._start = self._end = 0.0

    def take_offset_s(self, now: float) -> float:
        """`now` never goes back."""
        if not self._reach_s:
            return 0.0
        if now >= self._ends_at:
            self._begin_leg(now)
        share = (now - self._starts_at) / self._leg_s
        return self._start + (self._end - self._start) * share

    def _begin_leg(self, now: float) -> None:
        if now < self._ends_at + self._leg_s:
            self._starts_at, self._start = self._ends_at, self._end
        else:  # nobody looked for a whole leg: it may be anywhere
            self._starts_at, self._start = now, self._take_value()
        self._ends_at = self._starts_at + self._leg_s
        self._end = self._take_value()

    def _take_value(self) -> float:
        return self._rng.uniform(-self._reach_s, self._reach_s)

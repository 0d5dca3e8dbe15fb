"""How late an event loop is: a beat is due every 20 ms, and its lateness is the lag."""

from __future__ import annotations

from random import Random
from typing import Final

from loadtest.report.model import Percentiles
from loadtest.report.percentiles import CAPACITY, Samples

PERIOD_S: Final = 0.02
"""Finer than the 50 ms that matter; 50 wake-ups a second cost nothing beside a load."""
MAX_MISSED: Final = 3000
"""One minute of missed beats: a laptop that slept is not measured further back."""


class Heartbeat:
    """A core: `start`, then `beat` at each returned time, as soon as the loop gets to it.

    A beat that comes late stands for all that were due meanwhile, each as late as it would have
    been: else one pause of a second would count as one beat of fifty, and hide in the percentiles
    (coordinated omission)."""

    def __init__(self, rng: Random) -> None:
        self._lags_ms = Samples(CAPACITY, rng)
        self._worst_ms = 0.0
        self._due = 0.0

    def start(self, now: float) -> float:
        """When the first beat is due."""
        self._due = now + PERIOD_S
        return self._due

    def beat(self, now: float) -> float:
        """When the next is due, which is later than `now`."""
        self._worst_ms = max(self._worst_ms, (now - self._due) * 1000)
        for _ in range(MAX_MISSED):
            if self._due > now:
                return self._due
            self._lags_ms.add((now - self._due) * 1000)
            self._due += PERIOD_S
        self._due = now + PERIOD_S
        return self._due

    def forget(self) -> None:
        """The measured part starts now."""
        self._lags_ms.clear()
        self._worst_ms = 0.0

    def take_worst_ms(self) -> float:
        """The longest since the last call."""
        worst, self._worst_ms = self._worst_ms, 0.0
        return worst

    def percentiles_ms(self) -> Percentiles | None:
        return self._lags_ms.percentiles()

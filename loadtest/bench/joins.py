"""Where the time of joins goes: from the POST to the first picture, phase by phase."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from loadtest.report.percentiles import percentile


class Join(NamedTuple):
    """When each step of one join was reached, in ms since the POST began."""

    tcp: float
    """The connection was there; 0 on one that was there before."""
    http: float
    """The answer was there."""
    ice: float
    """A check was answered."""
    dtls: float
    packet: float
    """The first one of the picture."""
    frame: float
    """Decoded and presented."""

    @property
    def phases_ms(self) -> Join:
        """How long each step took. One that was seen before the step it follows from (the browser
        tells of both in no order) took no time."""
        reached = 0.0
        took = []
        for moment in self:
            took.append(max(0.0, moment - reached))
            reached = max(reached, moment)
        return Join(*took)


@dataclass(frozen=True, slots=True)
class Joins:
    """`name` says between whom and over what."""

    name: str
    joins: Sequence[Join]

    @property
    def phases_ms_p50(self) -> Join:
        """Each phase by itself: their sum is not quite the total's median."""
        phases = [join.phases_ms for join in self.joins]
        return Join(*(percentile(list(column), 0.5) for column in zip(*phases, strict=True)))

    def frame_ms(self, share: float) -> float:
        """POST to first decoded frame, at that percentile (0..1)."""
        return percentile([join.frame for join in self.joins], share)

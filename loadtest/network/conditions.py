"""What goes wrong on a link: one direction of it, and both."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

DEFAULT_QUEUE_MS: Final = 200.0
"""What a home router's queue holds when nobody tuned it: long enough to be felt, short enough
that congestion shows as loss."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """One direction of a link. Raises `ValueError`, one line, for what no link can do."""

    loss: float = 0.0
    """Share of the packets that are lost at random, 0..1."""
    burst: float = 1.0
    """Mean length of a row of losses, in packets (Gilbert-Elliott with a bad state that loses
    everything). 1 means independent losses, whose rows are 1 / (1 - loss) long."""
    delay_ms: float = 0.0
    """One way."""
    jitter_ms: float = 0.0
    """The delay wanders within delay ± jitter, slowly enough that packets keep their order."""
    rate_bps: float | None = None
    """Bits of IP packets a second; None: no limit."""
    queue_ms: float = DEFAULT_QUEUE_MS
    """How long a packet may wait for the rate; one that would wait longer is dropped."""
    duplicate: float = 0.0
    """Share of the packets that arrive twice, 0..1."""
    reorder: float = 0.0
    """Share of the packets that skip the delay and overtake those under way, 0..1."""

    def __post_init__(self) -> None:
        for name in ("loss", "duplicate", "reorder"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is a share from 0 to 1, not {getattr(self, name):g}")
        for name in ("delay_ms", "jitter_ms"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} is not negative, and ends; not {getattr(self, name):g}")
        for name in ("burst", "queue_ms"):
            lowest = 1 if name == "burst" else 0
            if not lowest <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} is at least {lowest}, not {getattr(self, name):g}")
        if self.rate_bps is not None and not 0 < self.rate_bps < math.inf:
            raise ValueError(f"rate_bps is above 0, not {self.rate_bps:g}")
        if self.jitter_ms > self.delay_ms:
            raise ValueError(
                f"jitter_ms ({self.jitter_ms:g}) is at most delay_ms ({self.delay_ms:g}):"
                " nothing arrives before it was sent"
            )
        if self.reorder and not self.delay_ms:
            raise ValueError("reorder needs a delay_ms: there is nobody under way to overtake")
        if self.burst > 1 and self.loss > self.burst / (self.burst + 1):
            raise ValueError(
                f"loss {self.loss:g} in rows of {self.burst:g} cannot be: two rows would touch;"
                " use a longer burst"
            )

    @property
    def disturbs(self) -> bool:
        """Whether anything but the rate is out of order: what netem, not a shaper, does."""
        return bool(self.loss or self.delay_ms or self.duplicate)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkConditions:
    """Both directions: `downlink` towards the namespace, `uplink` out of it."""

    downlink: Conditions = field(default_factory=Conditions)
    uplink: Conditions = field(default_factory=Conditions)

    @classmethod
    def both(cls, conditions: Conditions) -> LinkConditions:
        """The same in each direction: a round trip then has the delay twice."""
        return cls(downlink=conditions, uplink=conditions)

"""The way in: how much one person may say, by lane and role. Token buckets, monotonic seconds."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from enum import Enum
from typing import Final, NamedTuple

from signaling.errors import Refusal
from signaling.ids import Subject
from signaling.lane import Lane
from signaling.views import Role


class Allowance(NamedTuple):
    """`burst` at once, then `rate_per_s` messages a second on average."""

    rate_per_s: float
    burst: float


class TokenBucket:
    """Starts full. `take` never waits; it says how long the caller would have to."""

    __slots__ = ("_allowance", "_filled_at", "_tokens")

    def __init__(self, allowance: Allowance, now: float) -> None:
        self._allowance = allowance
        self._tokens = allowance.burst
        self._filled_at = now

    def take(self, now: float, cost: float = 1.0) -> float:
        """Seconds to wait; 0.0 when `cost` tokens were taken.

        A cost above the burst can never be paid and waits for ever (`math.inf`).
        """
        self._refill(now)
        if cost <= self._tokens:
            self._tokens -= cost
            return 0.0
        if cost > self._allowance.burst or self._allowance.rate_per_s <= 0:
            return math.inf
        return (cost - self._tokens) / self._allowance.rate_per_s

    def level(self, now: float) -> float:
        """Tokens that are there."""
        self._refill(now)
        return self._tokens

    def give_back(self, cost: float = 1.0) -> None:
        """Undo a `take`: what it was for did not happen."""
        self._tokens = min(self._allowance.burst, self._tokens + cost)

    def is_full(self, now: float) -> bool:
        """True when forgetting this bucket would change nothing."""
        self._refill(now)
        return self._tokens >= self._allowance.burst

    def _refill(self, now: float) -> None:
        gained = max(0.0, now - self._filled_at) * self._allowance.rate_per_s
        self._tokens = min(self._allowance.burst, self._tokens + gained)
        self._filled_at = max(self._filled_at, now)


DEFAULT_ALLOWANCES: Final[Mapping[Lane, Allowance]] = {
    Lane.CONTROL: Allowance(5.0, 20.0),
    Lane.QUESTION: Allowance(10 / 60, 3.0),
    Lane.COMMERCE: Allowance(2.0, 5.0),
    Lane.CHAT: Allowance(2.0, 5.0),
    Lane.AMBIENT: Allowance(2.0, 10.0),
}
"""For viewers and guests. Control: buttons and SDP, not a machine gun. A person types one
question in six seconds at best; likes come summed up, once or twice a second."""


class Upkeep(Enum):
    """What a page says of its transports by itself. Metered apart from the lanes, so that a page
    that scrolls or gathers candidates never costs its person a button, nor the other way round."""

    SHAPE = "shape"
    """Every slot at once when the person changes the layout or hides the page."""
    TRICKLE = "trickle"
    REPORT = "report"
    """Each transport every 10 s, some pages of one person at a time."""


UPKEEP_ALLOWANCES: Final[Mapping[Upkeep, Allowance]] = {
    Upkeep.SHAPE: Allowance(8.0, 40.0),
    Upkeep.TRICKLE: Allowance(5.0, 60.0),
    Upkeep.REPORT: Allowance(1.0, 20.0),
}
"""For everybody alike, host and staff included: it does not grow with whom one moderates."""

STAFF_FACTOR: Final = 5.0
"""Host and staff moderate a whole room: that many times the allowance of a viewer."""

DEFAULT_ROOM_ALLOWANCES: Final[Mapping[Lane, Allowance]] = {
    Lane.CONTROL: Allowance(1000.0, 10_000.0),
    Lane.QUESTION: Allowance(50.0, 200.0),
    Lane.COMMERCE: Allowance(200.0, 1000.0),
    Lane.AMBIENT: Allowance(2000.0, 10_000.0),
}
"""For all viewers and guests of a room on one node together, so that a crowd of made-up people
cannot fill what the host and staff need too; those are not counted. Control: everybody comes back
at once after a restart. Questions: more than a whole team can read. Chat is not refused by a
bucket but chosen fairly (`signaling.chat_gate`)."""

MAX_BUCKETS: Final = 20_000
"""Bound on memory: beyond it the person who was silent longest is forgotten."""

_MAX_WAIT_S: Final = 60.0
"""Nobody is told to wait longer than a minute; slow mode names its own gap."""
_STAFF: Final = frozenset({"host", "staff"})


def _ms(wait_s: float, most_s: float = _MAX_WAIT_S) -> int:
    return math.ceil(min(wait_s, most_s) * 1000)


class Limits:
    """Buckets of everybody in one room, by person and lane (or upkeep), so that reconnecting
    refills nothing."""

    def __init__(
        self,
        allowances: Mapping[Lane, Allowance] = DEFAULT_ALLOWANCES,
        *,
        room: Mapping[Lane, Allowance] = DEFAULT_ROOM_ALLOWANCES,
        staff_factor: float = STAFF_FACTOR,
        max_buckets: int = MAX_BUCKETS,
    ) -> None:
        self._room = {lane: TokenBucket(allowance, -math.inf) for lane, allowance in room.items()}
        self._allowances = {**DEFAULT_ALLOWANCES, **allowances}
        self._staff_factor = staff_factor
        self._max_buckets = max_buckets
        self._buckets: OrderedDict[tuple[Subject, Lane | Upkeep], TokenBucket] = OrderedDict()
        self._said: OrderedDict[Subject, float] = OrderedDict()
        """When each person last said something while slow mode was on."""

    def admit(
        self, subject: Subject, role: Role, lane: Lane | Upkeep, now: float, cost: float = 1.0
    ) -> None:
        """Let one message pass or raise `Refusal("rate_limited")` with `retry_after_ms`; `lane` is
        named, upkeep is not. `reason` is `person` or `room`: whose bucket is empty."""
        bucket = self._bucket(subject, role, lane, now)
        name = lane.name.lower() if isinstance(lane, Lane) else None
        wait_s = bucket.take(now, cost)
        if wait_s > 0:
            raise Refusal("rate_limited", retry_after_ms=_ms(wait_s), lane=name, reason="person")
        room = self._room.get(lane) if isinstance(lane, Lane) and role not in _STAFF else None
        wait_s = 0.0 if room is None else room.take(now, cost)
        if wait_s > 0:
            bucket.give_back(cost)
            raise Refusal("rate_limited", retry_after_ms=_ms(wait_s), lane=name, reason="room")

    def admit_slowly(self, subject: Subject, role: Role, gap_s: int, now: float) -> None:
        """Slow mode: let a chat message pass `gap_s` after the person's last one, or raise
        `Refusal("slow_mode")` with `retry_after_ms`. Host and staff are free of it."""
        if gap_s <= 0 or role in _STAFF:
            return
        wait_s = self._said.get(subject, -math.inf) + gap_s - now
        if wait_s > 0:
            raise Refusal(
                "slow_mode", retry_after_ms=_ms(wait_s, gap_s), lane="chat", reason="slow_mode"
            )
        self._said[subject] = now
        self._said.move_to_end(subject)
        if len(self._said) > self._max_buckets:
            self._said.popitem(last=False)

    def unsay(self, subject: Subject) -> None:
        """What slow mode let pass was shed after all: it costs its author no wait."""
        self._said.pop(subject, None)

    def forget_idle(self, now: float) -> int:
        """Drop buckets that are full again; returns how many. Call it now and then."""
        idle = [key for key, bucket in self._buckets.items() if bucket.is_full(now)]
        for key in idle:
            del self._buckets[key]
        return len(idle)

    def __len__(self) -> int:
        return len(self._buckets)

    def _bucket(self, subject: Subject, role: Role, lane: Lane | Upkeep, now: float) -> TokenBucket:
        key = (subject, lane)
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = TokenBucket(self._allowance(role, lane), now)
            if len(self._buckets) > self._max_buckets:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
        return bucket

    def _allowance(self, role: Role, lane: Lane | Upkeep) -> Allowance:
        if isinstance(lane, Upkeep):
            return UPKEEP_ALLOWANCES[lane]
        allowance = self._allowances[lane]
        if role in _STAFF:
            factor = self._staff_factor
            return Allowance(allowance.rate_per_s * factor, allowance.burst * factor)
        return allowance

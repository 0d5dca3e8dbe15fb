"""Limits of a run: what each name is measured as, and whether it was met.

What could not be measured is missed: a limit that nobody looked at must not pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from loadtest.report.model import (
    Complaint,
    Cost,
    Joined,
    LaneTotals,
    Percentiles,
    SloResult,
    Totals,
)

Name = TypeVar("Name", bound=str)


class Limit(Protocol):
    """One side or both; what the scenario's model holds."""

    @property
    def at_least(self) -> float | None: ...

    @property
    def at_most(self) -> float | None: ...


@dataclass(frozen=True, slots=True)
class Measured:
    """What limits are judged by."""

    totals: Totals
    cost: Cost | None
    complaints: Sequence[Complaint]


class Unmeasured(Exception):
    """There is no value; the message is a short reason."""


_NO_COST: Final = "the server's processes are not known here (--server-pid)"


def _percentiles(found: Percentiles | None, what: str) -> Percentiles:
    if found is None:
        raise Unmeasured(f"no {what} was measured")
    return found


def _joined(run: Measured, kind: str) -> Joined:
    for joined in run.totals.joined:
        if joined.kind == kind and joined.tried:
            return joined
    raise Unmeasured(f"nobody tried to {_TRIED[kind]}")


_TRIED: Final = {"watch": "watch", "mic": "take the mic"}


def _joined_percent(run: Measured) -> float:
    people = [joined for joined in run.totals.joined if joined.kind != "mic"]
    tried = sum(joined.tried for joined in people)
    if not tried:
        raise Unmeasured("nobody tried to join")
    return 100.0 * sum(joined.succeeded for joined in people) / tried


def _mic_percent(run: Measured) -> float:
    mic = _joined(run, "mic")
    return 100.0 * mic.succeeded / mic.tried


def _packet_loss(run: Measured) -> float:
    media = run.totals.media
    if media is None or not media.packets:
        raise Unmeasured("no media was received")
    return media.percent


def _latency(run: Measured) -> Percentiles:
    return _percentiles(run.totals.latency_ms, "latency")


def _joining(run: Measured, kind: str, what: str) -> Percentiles:
    return _percentiles(_joined(run, kind).ms, what)


def _lane(run: Measured, name: str) -> LaneTotals:
    for lane in run.totals.lanes:
        if lane.lane == name:
            return lane
    raise Unmeasured(f"no {name} was sent")


def _delay(run: Measured, name: str) -> Percentiles:
    return _percentiles(_lane(run, name).delay_ms, f"delay of {name}")


def _chat_delivered(run: Measured) -> float:
    chat = _lane(run, "chat")
    if not chat.expected:
        raise Unmeasured("nobody was there to receive chat")
    return 100.0 * chat.delivered / chat.expected


def _questions_lost(run: Measured) -> float:
    lost = _lane(run, "question").lost
    if lost is None:
        raise Unmeasured("nobody was there to receive questions")
    return float(lost)


def _cost(run: Measured) -> Cost:
    if run.cost is None:
        raise Unmeasured(_NO_COST)
    return run.cost


def _known(value: float | None, why: str) -> float:
    if value is None:
        raise Unmeasured(why)
    return value


_MEASURES: Final[Mapping[str, Callable[[Measured], float]]] = {
    "joined_percent": _joined_percent,
    "packet_loss_percent": _packet_loss,
    "latency_p50_ms": lambda run: _latency(run).p50,
    "latency_p95_ms": lambda run: _latency(run).p95,
    "latency_p99_ms": lambda run: _latency(run).p99,
    "first_packet_p95_ms": lambda run: _joining(run, "watch", "first packet").p95,
    "chat_delivered_percent": _chat_delivered,
    "chat_delay_p95_ms": lambda run: _delay(run, "chat").p95,
    "chat_delay_p99_ms": lambda run: _delay(run, "chat").p99,
    "questions_lost": _questions_lost,
    "question_delay_p95_ms": lambda run: _delay(run, "question").p95,
    "question_delay_p99_ms": lambda run: _delay(run, "question").p99,
    "control_delay_p99_ms": lambda run: _delay(run, "control").p99,
    "mic_on_p95_ms": lambda run: _joining(run, "mic", "mic").p95,
    "mic_percent": _mic_percent,
    "complaints": lambda run: float(sum(complaint.count for complaint in run.complaints)),
    "cpu_us_per_packet": lambda run: _known(
        _cost(run).cpu_us_per_packet, "no packet was delivered"
    ),
    "cpu_us_per_message": lambda run: _known(
        _cost(run).cpu_us_per_message, "no message was delivered"
    ),
    "memory_kib_per_viewer": lambda run: _known(_cost(run).memory_kib_per_viewer, "nobody watched"),
}
MEASURABLE: Final = frozenset(_MEASURES)
"""Names that a limit can be set for."""


def value_of(
    name: str, totals: Totals, cost: Cost | None, complaints: Sequence[Complaint]
) -> float | None:
    """The figure that the limit `name` is held against; None when it was not measured. Raises
    KeyError for an unknown name: scenarios are checked when they are read."""
    try:
        return _MEASURES[name](Measured(totals, cost, complaints))
    except Unmeasured:
        return None


def judge(
    limits: Mapping[Name, Limit],
    totals: Totals,
    cost: Cost | None,
    complaints: Sequence[Complaint],
) -> tuple[SloResult, ...]:
    """One result a limit, in the order of the scenario. Raises KeyError for an unknown name."""
    run = Measured(totals, cost, complaints)
    return tuple(_judged(str(name), limit, run) for name, limit in limits.items())


def _judged(name: str, limit: Limit, run: Measured) -> SloResult:
    text = limit_text(limit)
    try:
        value = _MEASURES[name](run)
    except Unmeasured as missing:
        return SloResult(name=name, limit=text, value=None, met=False, why=str(missing))
    return SloResult(name=name, limit=text, value=value, met=_holds(value, limit))


def _holds(value: float, limit: Limit) -> bool:
    high_enough = limit.at_least is None or value >= limit.at_least
    return high_enough and (limit.at_most is None or value <= limit.at_most)


def limit_text(limit: Limit) -> str:
    """As a person reads it: `>= 99`, `<= 200`, `>= 1, <= 5`."""
    sides = [
        f"{sign} {bound:g}"
        for sign, bound in ((">=", limit.at_least), ("<=", limit.at_most))
        if bound is not None
    ]
    return ", ".join(sides)

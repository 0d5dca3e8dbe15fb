"""The same scenario against several targets in turn, and their ratios pair by pair.

A B C A B C ...: noise of a shared machine comes and goes over minutes, so only runs beside each
other in time are compared, and the spread of their ratios is told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Final

from loadtest.report.model import Comparison, CostPoint, Growth, Ratio, Report

FIGURES: Final[Mapping[str, Callable[[Report], float | None]]] = {
    "cpu_us_per_packet": lambda run: run.cost.cpu_us_per_packet if run.cost else None,
    "cpu_us_per_message": lambda run: run.cost.cpu_us_per_message if run.cost else None,
    "memory_kib_per_viewer": lambda run: run.cost.memory_kib_per_viewer if run.cost else None,
    "memory_kib_per_socket": lambda run: run.cost.memory_kib_per_socket if run.cost else None,
    "latency_p50_ms": lambda run: run.totals.latency_ms.p50 if run.totals.latency_ms else None,
    "latency_p99_ms": lambda run: run.totals.latency_ms.p99 if run.totals.latency_ms else None,
    "chat_delay_p50_ms": lambda run: _chat_delay(run, 0.5),
    "chat_delay_p99_ms": lambda run: _chat_delay(run, 0.99),
}
"""What is compared, where both sides have it."""


def _chat_delay(run: Report, share: float) -> float | None:
    for lane in run.totals.lanes:
        if lane.lane == "chat" and lane.delay_ms is not None:
            return lane.delay_ms.p50 if share == 0.5 else lane.delay_ms.p99
    return None


def comparison(rounds: Sequence[Sequence[Report]], notes: Sequence[str] = ()) -> Comparison:
    """`rounds`: of each round one report a target, in the same order. The last round may be short
    (interrupted); its pairs count as far as they go."""
    targets = tuple(report.target for report in rounds[0])
    return Comparison(
        targets=targets,
        rounds=len(rounds),
        reports=tuple(report for each in rounds for report in each),
        ratios=tuple(
            ratio
            for place in range(1, len(targets))
            for figure in FIGURES
            if (ratio := _ratio(figure, targets[place].name, rounds, place)) is not None
        ),
        notes=tuple(notes),
    )


def _ratio(figure: str, other: str, rounds: Sequence[Sequence[Report]], place: int) -> Ratio | None:
    value_of = FIGURES[figure]
    pairs = []
    for reports in rounds:
        if place < len(reports):
            ours, theirs = value_of(reports[0]), value_of(reports[place])
            # Memory may shrink: a ratio of signs means nothing.
            if ours is not None and theirs is not None and ours > 0 and theirs > 0:
                pairs.append(theirs / ours)
    if not pairs:
        return None
    return Ratio(
        figure=figure,
        other=other,
        pairs=tuple(pairs),
        median=median(pairs),
        lowest=min(pairs),
        highest=max(pairs),
    )


def growth(reports: Sequence[Report]) -> Growth:
    """Of one scenario at growing size."""
    return Growth(points=tuple(map(_point, reports)), reports=tuple(reports))


def _point(report: Report) -> CostPoint:
    cost, last = report.cost, report.series[-1] if report.series else None
    return CostPoint(
        viewers=last.viewers if last else 0,
        sockets=last.sockets if last else 0,
        cpu_us_per_packet=cost.cpu_us_per_packet if cost else None,
        cpu_us_per_message=cost.cpu_us_per_message if cost else None,
        memory_kib_per_viewer=cost.memory_kib_per_viewer if cost else None,
        memory_kib_per_socket=cost.memory_kib_per_socket if cost else None,
        latency_ms=report.totals.latency_ms,
        lost_percent=report.totals.media.percent if report.totals.media else None,
        tester_is_bottleneck=report.tester.is_bottleneck,
    )

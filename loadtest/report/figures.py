"""The figures that runs are compared by, and their ratios pair by pair."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from loadtest.report.model import Comparison, Cost, Percentiles, Ratio, Report, TargetInfo


@dataclass(frozen=True, slots=True)
class Figure:
    """`label` with its unit, for people; smaller is better unless `more_is_better`."""

    label: str
    value: Callable[[Report], float | None]
    more_is_better: bool = False


def _of_cost(value: Callable[[Cost], float | None]) -> Callable[[Report], float | None]:
    return lambda report: None if report.cost is None else value(report.cost)


def _of_latency(value: Callable[[Percentiles], float]) -> Callable[[Report], float | None]:
    def of(report: Report) -> float | None:
        latency = report.totals.latency_ms
        return None if latency is None else value(latency)

    return of


def _of_delay(lane: str, value: Callable[[Percentiles], float]) -> Callable[[Report], float | None]:
    def of(report: Report) -> float | None:
        for totals in report.totals.lanes:
            if totals.lane == lane and totals.delay_ms is not None:
                return value(totals.delay_ms)
        return None

    return of


def _first_packet_ms(report: Report) -> float | None:
    for joined in report.totals.joined:
        if joined.kind == "watch" and joined.ms is not None:
            return joined.ms.p95
    return None


def _lost_percent(report: Report) -> float | None:
    return None if report.totals.media is None else report.totals.media.percent


def _delivered_percent(report: Report) -> float | None:
    for totals in report.totals.lanes:
        if totals.lane == "chat" and totals.expected:
            return 100.0 * totals.delivered / totals.expected
    return None


FIGURES: Final[Mapping[str, Figure]] = {
    "cpu_us_per_packet": Figure(
        "CPU per packet, µs", _of_cost(lambda cost: cost.cpu_us_per_packet)
    ),
    "cpu_us_per_message": Figure(
        "CPU per message, µs", _of_cost(lambda cost: cost.cpu_us_per_message)
    ),
    "memory_kib_per_viewer": Figure(
        "memory per viewer, KiB", _of_cost(lambda cost: cost.memory_kib_per_viewer)
    ),
    "memory_kib_per_socket": Figure(
        "memory per socket, KiB", _of_cost(lambda cost: cost.memory_kib_per_socket)
    ),
    "latency_p50_ms": Figure("latency p50, ms", _of_latency(lambda latency: latency.p50)),
    "latency_p99_ms": Figure("latency p99, ms", _of_latency(lambda latency: latency.p99)),
    "packet_loss_percent": Figure("lost, %", _lost_percent),
    "first_packet_p95_ms": Figure("first packet p95, ms", _first_packet_ms),
    "chat_delay_p50_ms": Figure("chat p50, ms", _of_delay("chat", lambda delay: delay.p50)),
    "chat_delay_p99_ms": Figure("chat p99, ms", _of_delay("chat", lambda delay: delay.p99)),
    "chat_delivered_percent": Figure("chat delivered, %", _delivered_percent, more_is_better=True),
}
RATIO_FIGURES: Final = (
    "cpu_us_per_packet",
    "cpu_us_per_message",
    "memory_kib_per_viewer",
    "memory_kib_per_socket",
    "latency_p50_ms",
    "latency_p99_ms",
    "chat_delay_p50_ms",
    "chat_delay_p99_ms",
)
"""Those that a ratio says something about: a share of losses near zero does not divide well."""


def figure_of(name: str, report: Report) -> float | None:
    """None when the run did not measure it. Raises KeyError for a name that is none of FIGURES."""
    return FIGURES[name].value(report)


def reports_of(comparison: Comparison, target: int) -> tuple[Report, ...]:
    """The runs of the target at that place: reports come round by round."""
    return comparison.reports[target :: len(comparison.targets)]


def median_figure(name: str, reports: Sequence[Report]) -> float | None:
    """Of the runs that measured it; None when none did."""
    values = [value for report in reports if (value := figure_of(name, report)) is not None]
    return statistics.median(values) if values else None


def ratios_of(targets: Sequence[TargetInfo], reports: Sequence[Report]) -> tuple[Ratio, ...]:
    """Every figure of RATIO_FIGURES that both of a pair measured: other over first, round by round.

    `reports` come in the order they ran. A round that is not complete counts as far as it goes;
    zero and negative figures (memory that shrank) have no ratio."""
    found = []
    rounds = [
        reports[start : start + len(targets)] for start in range(0, len(reports), len(targets))
    ]
    for place, other in enumerate(targets[1:], start=1):
        for name in RATIO_FIGURES:
            pairs = [
                (figure_of(name, one[0]), figure_of(name, one[place]))
                for one in rounds
                if place < len(one)
            ]
            ratio = ratio_of(name, other.name, pairs)
            if ratio is not None:
                found.append(ratio)
    return tuple(found)


def ratio_of(
    figure: str, other: str, pairs: Sequence[tuple[float | None, float | None]]
) -> Ratio | None:
    """`pairs` are (first, other), round by round. None when no pair has both."""
    ratios = [
        theirs / ours
        for ours, theirs in pairs
        if ours is not None and theirs is not None and ours > 0 and theirs > 0
    ]
    ratios = [ratio for ratio in ratios if math.isfinite(ratio)]
    if not ratios:
        return None
    return Ratio(
        figure=figure,
        other=other,
        pairs=tuple(ratios),
        median=statistics.median(ratios),
        lowest=min(ratios),
        highest=max(ratios),
    )

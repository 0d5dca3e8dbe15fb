"""The plots of a comparison: ratios with their spread, and figures round by round."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from loadtest.report.figures import FIGURES, figure_of, reports_of
from loadtest.report.model import Comparison, Report
from loadtest.report.plot import Curve, Plot, short

_BY_ROUND: Final = (
    "cpu_us_per_packet",
    "cpu_us_per_message",
    "latency_p99_ms",
    "chat_delay_p99_ms",
)


def comparison_plots(comparison: Comparison) -> list[Plot]:
    found = [_ratio_plot(comparison)] if comparison.ratios else []
    for name in _BY_ROUND:
        curves = [
            _by_round(name, target.name, reports_of(comparison, place), place)
            for place, target in enumerate(comparison.targets)
        ]
        kept = [curve for curve in curves if any(value is not None for value in curve.y)]
        if kept:
            label, _, unit = FIGURES[name].label.partition(", ")
            found.append(Plot(title=label, about="Round by round", x="round", y=unit, curves=kept))
    return found


def _by_round(name: str, target: str, reports: Sequence[Report], tone: int) -> Curve:
    values = [figure_of(name, report) for report in reports]
    return Curve(
        name=target,
        x=[float(number) for number in range(1, len(reports) + 1)],
        y=[None if value is None else short(value) for value in values],
        tone=tone,
        hollow=[place for place, each in enumerate(reports) if each.tester.is_bottleneck],
    )


def _ratio_plot(comparison: Comparison) -> Plot:
    """A row for each figure of each other target, the first on top."""
    ratios = list(reversed(comparison.ratios))
    several = len(comparison.targets) > 2
    labels = []
    for ratio in ratios:
        figure = FIGURES.get(ratio.figure)
        label = figure.label.partition(", ")[0] if figure else ratio.figure
        labels.append(f"{ratio.other}: {label}" if several else label)
    medians = Curve(
        name="median",
        x=[short(ratio.median) for ratio in ratios],
        y=[float(row) for row in range(len(ratios))],
        tone=0,
        shape="points",
        above=[short(ratio.highest - ratio.median) for ratio in ratios],
        below=[short(ratio.median - ratio.lowest) for ratio in ratios],
    )
    first, others = comparison.targets[0].name, comparison.targets[1:]
    other = others[0].name if len(others) == 1 else "other"
    return Plot(
        title="Ratios",
        about="Median of all pairs, with the lowest and the highest. Right of 1: more of it",
        x=f"{other} / {first}",
        y="",
        curves=[medians],
        x_is_log=True,
        y_labels=labels,
        line_at=1.0,
    )

"""The plots of one run, over time. A core: a report in, plots out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Final, Literal

from loadtest.cost.bottleneck import BUSY_CORES
from loadtest.report.model import Interval, Report
from loadtest.report.plot import Curve, Plot, Values, rank, short

MAX_POINTS: Final = 1200
"""A curve: more than a screen has columns to show. A marathon is thinned to that."""


def points_per_group(intervals: int) -> int:
    """So many seconds become one point."""
    return max(1, math.ceil(intervals / MAX_POINTS))


def run_plots(report: Report) -> list[Plot]:
    over_time = _OverTime(report)
    lanes = list(dict.fromkeys(lane for interval in report.series for lane in interval.lanes))
    slow = list(dict.fromkeys(lane for each in report.series for lane in each.lane_delay_ms))
    found = [
        over_time.plot(
            "Latency",
            "From a packet's sending to its receiving, at sampled viewers",
            "ms",
            [
                over_time.worst("p50", lambda each: rank(each.latency_ms, "p50"), 0),
                over_time.worst("p95", lambda each: rank(each.latency_ms, "p95"), 1),
                over_time.worst("p99", lambda each: rank(each.latency_ms, "p99"), 2),
            ],
        ),
        over_time.plot(
            "People",
            "Who is in",
            "people",
            [
                over_time.mean("viewers", lambda each: each.viewers, 0, "step"),
                over_time.mean("sockets", lambda each: each.sockets, 1, "step"),
                over_time.mean("publishers", lambda each: each.publishers, 2, "step"),
            ],
        ),
        over_time.plot(
            "Bitrate",
            "Received by all viewers together",
            "Mbit/s",
            [over_time.mean("bitrate", lambda each: each.bits_per_s / 1e6, 0)],
        ),
        over_time.plot(
            "Holes",
            "Packets that never came, as they were noticed",
            "packets a second",
            [over_time.mean("holes", lambda each: each.holes, 3, "bar")],
        ),
        over_time.plot(
            "Messages",
            "Delivered, by lane",
            "messages a second",
            [over_time.mean(lane, _delivered(lane), place) for place, lane in enumerate(lanes)],
        ),
        over_time.plot(
            "Delay of messages",
            "From sending to receiving, 99th percentile, by lane",
            "ms",
            [over_time.worst(lane, _delay(lane), place) for place, lane in enumerate(slow)],
        ),
        over_time.plot(
            "CPU",
            "The dashed line: from here on the tester is the limit itself",
            "cores",
            [
                over_time.mean("server", lambda each: each.server_cpu_cores, 0),
                over_time.mean("tester", lambda each: each.tester_cpu_cores, 4),
            ],
            line_at=BUSY_CORES,
        ),
        over_time.plot(
            "Memory of the server",
            "Resident, all its processes",
            "MiB",
            [over_time.mean("server", lambda each: _mib(each.server_memory_bytes), 0)],
        ),
        over_time.plot(
            "Lag of the tester",
            "The longest that its event loop was late",
            "ms",
            [over_time.worst("tester", lambda each: each.tester_lag_ms, 4)],
        ),
    ]
    return [plot for plot in found if plot is not None]


class _OverTime:
    """Makes curves of the seconds of a run, thinned when there are too many."""

    def __init__(self, report: Report) -> None:
        self._series = report.series
        self._group = points_per_group(len(report.series))
        self._x = [float(each.at_s) for each in self._series[self._group - 1 :: self._group]]
        if len(self._series) % self._group:
            self._x.append(self._series[-1].at_s)
        warm_up = report.definition.get("warm_up_s")
        self._warm_up = float(warm_up) if isinstance(warm_up, int | float) else None

    def mean(
        self,
        name: str,
        value: Callable[[Interval], float | None],
        tone: int,
        shape: Literal["line", "step", "bar"] = "line",
    ) -> Curve:
        return self._curve(name, value, tone, shape, lambda some: sum(some) / len(some))

    def worst(self, name: str, value: Callable[[Interval], float | None], tone: int) -> Curve:
        return self._curve(name, value, tone, "line", max)

    def _curve(
        self,
        name: str,
        value: Callable[[Interval], float | None],
        tone: int,
        shape: Literal["line", "step", "bar"],
        joined: Callable[[list[float]], float],
    ) -> Curve:
        y: Values = []
        for start in range(0, len(self._series), self._group):
            some = [
                found
                for each in self._series[start : start + self._group]
                if (found := value(each)) is not None and math.isfinite(found)
            ]
            y.append(short(joined(some)) if some else None)
        return Curve(name=name, x=self._x, y=y, tone=tone, shape=shape)

    def plot(
        self,
        title: str,
        about: str,
        unit: str,
        curves: Iterable[Curve],
        line_at: float | None = None,
    ) -> Plot | None:
        """None when nothing of it was measured, or all of it is zero."""
        kept = [curve for curve in curves if any(curve.y)]
        if not kept:
            return None
        return Plot(
            title=title, about=about, x="seconds", y=unit, curves=kept, line_at=line_at,
            shaded_until=self._warm_up or None,
        )  # fmt: skip


def _mib(value: int | None) -> float | None:
    return None if value is None else value / 2**20


def _delivered(lane: str) -> Callable[[Interval], float | None]:
    return lambda each: each.lanes.get(lane, 0)


def _delay(lane: str) -> Callable[[Interval], float | None]:
    return lambda each: rank(each.lane_delay_ms.get(lane), "p99")

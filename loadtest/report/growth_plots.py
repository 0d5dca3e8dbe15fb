"""The plots of a growth run, over size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from loadtest.report.model import Growth
from loadtest.report.plot import Curve, Plot, Values, rank, short


def growth_plots(growth: Growth) -> list[Plot]:
    points = growth.points
    by_viewers = any(point.viewers for point in points)
    x = [float(point.viewers if by_viewers else point.sockets) for point in points]
    doubtful = [place for place, point in enumerate(points) if point.tester_is_bottleneck]
    unit = "viewers" if by_viewers else "sockets"

    def plot(title: str, y_unit: str, curves: Sequence[tuple[str, Values]]) -> Plot | None:
        kept = [
            Curve(
                name=name,
                x=x,
                y=[None if v is None else short(v) for v in y],
                tone=tone,
                hollow=doubtful,
            )
            for tone, (name, y) in enumerate(curves)
            if any(value is not None for value in y)
        ]
        if not kept:
            return None
        return Plot(title=title, about=_GROWTH_ABOUT, x=unit, y=y_unit, curves=kept, x_is_log=True)

    found = [
        plot("CPU per packet", "µs", [("server", [each.cpu_us_per_packet for each in points])]),
        plot("CPU per message", "µs", [("server", [each.cpu_us_per_message for each in points])]),
        plot(
            "Latency",
            "ms",
            [
                ("p50", [rank(each.latency_ms, "p50") for each in points]),
                ("p95", [rank(each.latency_ms, "p95") for each in points]),
                ("p99", [rank(each.latency_ms, "p99") for each in points]),
            ],
        ),
        plot(
            "Memory",
            "KiB",
            [
                ("per viewer", [each.memory_kib_per_viewer for each in points]),
                ("per socket", [each.memory_kib_per_socket for each in points]),
            ],
        ),
        plot("Lost", "%", [("holes", [each.lost_percent for each in points])]),
    ]
    return [plot for plot in found if plot is not None]


_GROWTH_ABOUT: Final = "Rings: the tester was the limit there, not the server"

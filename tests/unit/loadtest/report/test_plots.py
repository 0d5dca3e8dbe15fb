"""The plots of all kinds of reports, as values."""

from __future__ import annotations

import msgspec

from loadtest.report.comparison_plots import comparison_plots
from loadtest.report.growth_plots import growth_plots
from loadtest.report.model import Growth, Report
from loadtest.report.plot import Plot
from loadtest.report.run_plots import MAX_POINTS, points_per_group, run_plots
from tests.support.reports import a_comparison, a_growth, a_report, an_empty_report


def by_title(plots: list[Plot]) -> dict[str, Plot]:
    return {plot.title: plot for plot in plots}


def test_a_run_over_time() -> None:
    report = a_report(seconds=30)
    plots = by_title(run_plots(report))
    assert list(plots) == [
        "Latency", "People", "Bitrate", "Holes", "Messages", "Delay of messages", "CPU",
        "Memory of the server", "Lag of the tester",
    ]  # fmt: skip
    latency = plots["Latency"]
    assert [curve.name for curve in latency.curves] == ["p50", "p95", "p99"]
    assert latency.curves[0].x == [float(second) for second in range(1, 31)]
    assert {curve.name for curve in plots["Messages"].curves} == {"chat", "question"}
    assert plots["CPU"].line_at == 0.9


def test_a_second_without_samples_is_a_gap_not_zero() -> None:
    report = a_report(seconds=5)
    silent = msgspec.structs.replace(report.series[2], latency_ms=None)
    series = (*report.series[:2], silent, *report.series[3:])
    plots = by_title(run_plots(msgspec.structs.replace(report, series=series)))
    values = plots["Latency"].curves[0].y
    assert values[2] is None
    assert None not in values[3:]


def test_what_was_not_measured_has_no_plot() -> None:
    assert run_plots(an_empty_report()) == []
    quiet = tuple(
        msgspec.structs.replace(second, lanes={}, lane_delay_ms={}, server_cpu_cores=None)
        for second in a_report().series
    )
    plots = by_title(run_plots(msgspec.structs.replace(a_report(), series=quiet)))
    assert "Messages" not in plots
    assert [curve.name for curve in plots["CPU"].curves] == ["tester"]


def marathon(seconds: int) -> Report:
    [second] = a_report(seconds=1).series
    series = tuple(
        msgspec.structs.replace(
            second, at_s=float(at), holes=at % 2, tester_lag_ms=float(at), viewers=10
        )
        for at in range(1, seconds + 1)
    )
    return msgspec.structs.replace(a_report(seconds=1), series=series)


def test_a_marathon_is_thinned_without_hiding_its_worst() -> None:
    seconds = 4 * 3600
    assert points_per_group(seconds) == 12
    plots = by_title(run_plots(marathon(seconds)))
    lag = plots["Lag of the tester"].curves[0]
    assert len(lag.x) == len(lag.y) == MAX_POINTS
    assert lag.y[0] == 12.0  # the worst of its twelve seconds
    assert lag.x[0] == 12.0
    assert set(plots["Holes"].curves[0].y) == {0.5}  # the mean
    assert set(plots["People"].curves[0].y) == {10.0}


def test_a_last_group_that_is_not_full_is_kept() -> None:
    plots = by_title(run_plots(marathon(MAX_POINTS + 1)))
    lag = plots["Lag of the tester"].curves[0]
    assert (len(lag.x), lag.x[-1], lag.y[-1]) == (601, 1201.0, 1201.0)
    assert len(lag.y) == 601


def test_the_warm_up_is_shaded() -> None:
    report = msgspec.structs.replace(a_report(), definition={"warm_up_s": 5})
    assert {plot.shaded_until for plot in run_plots(report)} == {5.0}
    assert {plot.shaded_until for plot in run_plots(a_report())} == {None}


def test_growth_against_viewers_with_doubtful_points() -> None:
    plots = by_title(growth_plots(a_growth()))
    assert list(plots) == ["CPU per packet", "Latency", "Memory", "Lost"]
    curve = plots["CPU per packet"].curves[0]
    assert curve.x == [1, 10, 50, 100, 200, 400]
    assert curve.hollow == [5]
    assert plots["CPU per packet"].x == "viewers"


def test_growth_of_sockets() -> None:
    points = tuple(
        msgspec.structs.replace(
            point, viewers=0, sockets=point.viewers, cpu_us_per_packet=None, cpu_us_per_message=9.0
        )
        for point in a_growth().points
    )
    plots = by_title(growth_plots(Growth(points=points, reports=())))
    assert plots["CPU per message"].x == "sockets"
    assert plots["CPU per message"].curves[0].x[-1] == 400
    assert "CPU per packet" not in plots


def test_ratios_have_whiskers_to_the_lowest_and_the_highest() -> None:
    comparison = a_comparison()
    ratios, *by_round = comparison_plots(comparison)
    [medians] = ratios.curves
    first = comparison.ratios[0]
    top = len(comparison.ratios) - 1
    assert ratios.y_labels[top] == "CPU per packet"
    assert medians.y[top] == top
    assert abs(medians.x[top] + medians.above[top] - first.highest) < 0.01
    assert abs(medians.x[top] - medians.below[top] - first.lowest) < 0.01
    assert ratios.x == "janus / lianmai"
    assert [plot.title for plot in by_round] == ["CPU per packet", "latency p99"]
    assert [curve.name for curve in by_round[0].curves] == ["lianmai", "janus"]
    assert by_round[0].curves[0].x == [1, 2, 3, 4]

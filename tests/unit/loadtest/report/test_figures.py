from __future__ import annotations

import msgspec
import pytest

from loadtest.report.figures import (
    FIGURES,
    RATIO_FIGURES,
    figure_of,
    median_figure,
    ratio_of,
    ratios_of,
    reports_of,
)
from loadtest.report.model import Report, TargetInfo
from tests.support.reports import JANUS, LIANMAI, a_comparison, a_report, an_empty_report

THIRD = TargetInfo(name="third", url="")


def costing(us_per_packet: float | None) -> Report:
    report = an_empty_report()
    cost = a_report().cost
    assert cost is not None
    cost = msgspec.structs.replace(
        cost, cpu_us_per_packet=us_per_packet, cpu_us_per_message=None,
        memory_kib_per_viewer=None, memory_kib_per_socket=None,
    )  # fmt: skip
    return msgspec.structs.replace(report, cost=cost)


def test_a_full_run_has_every_figure_and_an_empty_one_none() -> None:
    full, empty = a_report(), an_empty_report()
    assert all(figure_of(name, full) is not None for name in FIGURES)
    assert all(figure_of(name, empty) is None for name in FIGURES)
    assert set(RATIO_FIGURES) <= set(FIGURES)


def test_ratios_pair_neighbours_in_time() -> None:
    reports = [costing(us) for us in (1, 3, 2, 4, 4, 20)]
    [ratio] = ratios_of((LIANMAI, JANUS), reports)
    assert (ratio.figure, ratio.other) == ("cpu_us_per_packet", "janus")
    assert ratio.pairs == (3.0, 2.0, 5.0)
    assert (ratio.median, ratio.lowest, ratio.highest) == (3.0, 2.0, 5.0)


def test_every_other_target_is_held_to_the_first() -> None:
    reports = [costing(us) for us in (2, 4, 8, 1, 3, 5)]
    ratios = ratios_of((LIANMAI, JANUS, THIRD), reports)
    assert {ratio.other: ratio.pairs for ratio in ratios} == {"janus": (2, 3), "third": (4, 5)}


def test_a_round_that_was_cut_short_counts_as_far_as_it_goes() -> None:
    reports = [costing(us) for us in (2, 4, 8, 1, 3)]
    ratios = ratios_of((LIANMAI, JANUS, THIRD), reports)
    assert {ratio.other: ratio.pairs for ratio in ratios} == {"janus": (2, 3), "third": (4,)}


@pytest.mark.parametrize("pair", [(None, 1.0), (1.0, None), (0.0, 1.0), (1.0, 0.0), (-2.0, 1.0)])
def test_what_has_no_ratio(pair: tuple[float | None, float | None]) -> None:
    assert ratio_of("f", "other", [pair]) is None
    ratio = ratio_of("f", "other", [pair, (1.0, 2.0)])
    assert ratio is not None
    assert ratio.pairs == (2.0,)


def test_medians_are_of_the_runs_that_measured_it() -> None:
    assert median_figure("cpu_us_per_packet", [costing(us) for us in (9, None, 1, 2)]) == 2
    assert median_figure("cpu_us_per_packet", [costing(None)]) is None


def test_reports_by_target() -> None:
    comparison = a_comparison(rounds=3)
    for place, target in enumerate(comparison.targets):
        assert [report.target for report in reports_of(comparison, place)] == [target] * 3

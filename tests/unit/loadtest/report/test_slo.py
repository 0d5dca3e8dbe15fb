from __future__ import annotations

from dataclasses import dataclass

import msgspec
import pytest

from loadtest.report.model import Complaint, Joined, Percentiles, Totals
from loadtest.report.slo import MEASURABLE, judge, limit_text, value_of
from loadtest.scenario.slo_names import SloName
from tests.support.reports import a_report, an_empty_report


@dataclass(frozen=True)
class Sides:
    at_least: float | None = None
    at_most: float | None = None


REPORT = a_report()
NOTHING = an_empty_report().totals


def value(name: str, totals: Totals = REPORT.totals) -> float | None:
    return value_of(name, totals, REPORT.cost, REPORT.complaints)


def test_every_name_of_the_scenarios_can_be_measured() -> None:
    assert frozenset(SloName) == MEASURABLE


def test_a_full_run_measures_nearly_everything() -> None:
    missing = {name for name in MEASURABLE if value(name) is None}
    assert missing == {"control_delay_p99_ms"}


def test_an_empty_run_measures_only_that_nothing_went_wrong() -> None:
    found = {name for name in MEASURABLE if value_of(name, NOTHING, None, ()) is not None}
    assert found == {"complaints"}


def spread_of(p50: float, p95: float, p99: float) -> Percentiles:
    return Percentiles(samples=9, p50=p50, p95=p95, p99=p99, worst=999.0)


def with_people(*joined: Joined) -> Totals:
    return msgspec.structs.replace(NOTHING, joined=joined)


def people(kind: str, tried: int, succeeded: int) -> Joined:
    return Joined(kind=kind, tried=tried, succeeded=succeeded, ms=spread_of(1, 2, 3))


def test_who_came_in() -> None:
    totals = with_people(
        people("publish", 1, 1), people("watch", 60, 57), people("socket", 39, 39),
        people("mic", 4, 1),
    )  # fmt: skip
    assert value("joined_percent", totals) == 97.0
    assert value("mic_percent", totals) == 25.0
    assert value("mic_on_p95_ms", totals) == value("first_packet_p95_ms", totals) == 2


def test_latency_by_percentile() -> None:
    totals = msgspec.structs.replace(NOTHING, latency_ms=spread_of(1, 2, 3))
    names = ("latency_p50_ms", "latency_p95_ms", "latency_p99_ms")
    assert [value(name, totals) for name in names] == [1, 2, 3]


@pytest.mark.parametrize("lane", ["chat", "question", "control"])
def test_delays_by_lane(lane: str) -> None:
    talk = msgspec.structs.replace(
        REPORT.totals.lanes[0], lane=lane, delay_ms=spread_of(1, 2, 3), lost=4
    )
    totals = msgspec.structs.replace(NOTHING, lanes=(talk,))
    assert value(f"{lane}_delay_p99_ms", totals) == 3
    if lane != "control":
        assert value(f"{lane}_delay_p95_ms", totals) == 2
    assert value("questions_lost", totals) == (4 if lane == "question" else None)


def test_chat_delivered() -> None:
    talk = msgspec.structs.replace(REPORT.totals.lanes[0], delivered=995, expected=1000)
    totals = msgspec.structs.replace(NOTHING, lanes=(talk,))
    assert value("chat_delivered_percent", totals) == 99.5


def test_complaints_are_counted_one_by_one() -> None:
    complaints = (Complaint(text="a", count=3), Complaint(text="b", count=4))
    assert value_of("complaints", NOTHING, None, complaints) == 7


@pytest.mark.parametrize(
    ("limit", "met"),
    [
        (Sides(at_most=4.0), True),
        (Sides(at_most=3.9), False),
        (Sides(at_least=4.0), True),
        (Sides(at_least=4.1), False),
        (Sides(at_least=1, at_most=4), True),
        (Sides(at_least=1, at_most=3), False),
    ],
)
def test_limits_hold_up_to_their_bound(limit: Sides, met: bool) -> None:
    [result] = judge({"complaints": limit}, NOTHING, None, (Complaint(text="x", count=4),))
    assert (result.value, result.met, result.why) == (4.0, met, "")


def test_what_was_not_measured_is_missed_and_says_why() -> None:
    limits = {name: Sides(at_least=0) for name in sorted(MEASURABLE - {"complaints"})}
    results = judge(limits, NOTHING, None, ())
    assert [result.name for result in results] == list(limits)
    assert not any(result.met for result in results)
    assert all(result.value is None and result.why for result in results)
    by_name = {result.name: result.why for result in results}
    assert "--server-pid" in by_name["cpu_us_per_packet"]
    assert by_name["mic_percent"] == "nobody tried to take the mic"
    assert by_name["packet_loss_percent"] == "no media was received"


def test_names_of_the_scenario_become_plain_ones() -> None:
    [result] = judge({SloName.COMPLAINTS: Sides(at_most=0)}, NOTHING, None, ())
    assert type(result.name) is str
    assert result.name == "complaints"


def test_an_unknown_name_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        value("latency_p42_ms")


def test_limits_as_people_read_them() -> None:
    assert limit_text(Sides(at_least=99)) == ">= 99"
    assert limit_text(Sides(at_most=0.1)) == "<= 0.1"
    assert limit_text(Sides(1, 5)) == ">= 1, <= 5"

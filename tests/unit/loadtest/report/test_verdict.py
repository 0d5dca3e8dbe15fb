from __future__ import annotations

import msgspec

from loadtest.report.verdict import verdict_of, verdict_text, warnings_of
from tests.support.reports import a_comparison, a_growth, a_report, an_empty_report


def test_one_missed_limit_is_a_miss() -> None:
    report = a_report()
    assert (verdict_of(report), verdict_text(report)) == ("miss", "2 of 4 limits met")
    met = msgspec.structs.replace(report, slo=report.slo[:1])
    assert (verdict_of(met), verdict_text(met)) == ("pass", "1 of 1 limit met")


def test_without_limits_nothing_passes_or_fails() -> None:
    assert verdict_of(an_empty_report()) == "none"
    assert verdict_text(an_empty_report()) == "no limits were set"


def test_limits_of_several_runs_count_together() -> None:
    assert verdict_of(a_growth()) == "miss"
    assert verdict_text(a_comparison(rounds=4)) == "16 of 32 limits met"


def test_a_sound_run_has_only_its_own_notes() -> None:
    report = a_report()
    assert report.cost is not None
    plain = msgspec.structs.replace(
        report, cost=msgspec.structs.replace(report.cost, is_mixed=False)
    )
    assert warnings_of(plain) == report.notes


def test_what_weakens_a_run_comes_first() -> None:
    report = msgspec.structs.replace(a_report(is_bottleneck=True), interrupted=True)
    warnings = warnings_of(report)
    assert "interrupted" in warnings[0]
    assert warnings[1].startswith("the tester was the bottleneck, not the server: it used 0.97")
    assert "CPU per packet bears the cost of the messages" in warnings[2]
    assert warnings[3:] == report.notes


def test_of_several_runs_each_thing_is_said_once() -> None:
    growth = a_growth()
    warnings = warnings_of(growth)
    assert len(warnings) == len(set(warnings))
    assert "bottleneck in 1 of 6 runs (number 6)" in warnings[0]
    assert growth.reports[0].notes[0] in warnings
    assert a_comparison().notes[0] in warnings_of(a_comparison())

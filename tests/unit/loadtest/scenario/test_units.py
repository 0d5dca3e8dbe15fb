from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.scenario.units import (
    MAX_PER_S,
    MIN_PER_S,
    format_bps,
    format_duration,
    format_per_s,
    format_share,
    parse_bps,
    parse_duration_s,
    parse_per_s,
    parse_share,
)

Parse = Callable[[object], float]


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (parse_duration_s, "500ms", 0.5),
        (parse_duration_s, "10s", 10.0),
        (parse_duration_s, "1m30s", 90.0),
        (parse_duration_s, "5min", 300.0),
        (parse_duration_s, "2 h", 7200.0),
        (parse_duration_s, 3, 3.0),
        (parse_duration_s, "1.5", 1.5),
        (parse_per_s, "20/s", 20.0),
        (parse_per_s, "30/min", 0.5),
        (parse_per_s, "36/h", 0.01),
        (parse_per_s, 4, 4.0),
        (parse_bps, "1.2Mbit", 1_200_000.0),
        (parse_bps, "600kbit/s", 600_000.0),
        (parse_bps, "2Mbitps", 2_000_000.0),
        (parse_share, "5%", 0.05),
        (parse_share, 0.5, 0.5),
        (parse_share, "0", 0.0),
    ],
)
def test_what_people_write(parse: Parse, text: object, value: float) -> None:
    assert parse(text) == pytest.approx(value)


@pytest.mark.parametrize(
    ("parse", "wrong", "form"),
    [
        (parse_duration_s, "10x", "10s"),
        (parse_duration_s, "", "10s"),
        (parse_duration_s, "-5s", "10s"),
        (parse_duration_s, True, "10s"),
        (parse_duration_s, None, "10s"),
        (parse_duration_s, [1], "10s"),
        (parse_per_s, "20", None),
        (parse_per_s, "20/day", "20/s"),
        (parse_per_s, "/s", "20/s"),
        (parse_bps, "fast", "600kbit"),
        (parse_bps, "2MB", "600kbit"),
        (parse_share, "5", "5%"),
        (parse_share, "101%", "5%"),
        (parse_share, "five", "5%"),
        (parse_share, -0.1, "5%"),
        (parse_duration_s, float("nan"), "finite"),
        (parse_duration_s, float("inf"), "finite"),
        (parse_bps, "inf", "finite"),
    ],
)
def test_what_is_no_such_quantity_is_told_the_form(
    parse: Parse, wrong: object, form: str | None
) -> None:
    if form is None:
        assert parse(wrong) == 20.0  # a number alone is taken as it is kept
        return
    with pytest.raises(ValueError, match=form):
        parse(wrong)


def test_endless_text_is_not_repeated_in_the_message() -> None:
    with pytest.raises(ValueError, match="no duration") as caught:
        parse_duration_s("9" * 10_000 + "x")
    assert len(str(caught.value)) < 200


@given(st.integers(0, 48 * 3_600_000))
def test_a_shown_duration_reads_as_the_same(milliseconds: int) -> None:
    assert parse_duration_s(format_duration(milliseconds / 1000)) == pytest.approx(
        milliseconds / 1000, abs=1e-9
    )


@given(st.floats(MIN_PER_S, MAX_PER_S))
def test_a_shown_rate_reads_as_nearly_the_same(per_s: float) -> None:
    assert parse_per_s(format_per_s(per_s)) == pytest.approx(per_s, rel=1e-3, abs=1e-6)


@given(st.integers(1000, 10_000_000_000))
def test_a_shown_bitrate_reads_as_the_same(bps: int) -> None:
    assert parse_bps(format_bps(bps)) == pytest.approx(bps, abs=1)


@given(st.integers(0, 100_000))
def test_a_shown_share_reads_as_the_same(thousandths_of_a_percent: int) -> None:
    share = thousandths_of_a_percent / 100_000
    assert parse_share(format_share(share)) == pytest.approx(share, abs=1e-9)


def test_shown_quantities_are_short() -> None:
    assert [format_duration(s) for s in (0, 0.5, 90, 7200, 36.5)] == [
        "0s", "500ms", "90s", "2h", "36500ms",
    ]  # fmt: skip
    assert [format_per_s(r) for r in (20, 0.5, 1 / 3, 1 / 3600)] == [
        "20/s", "0.5/s", "20/min", "1/h",
    ]  # fmt: skip
    assert [format_bps(b) for b in (500, 600e3, 1.2e6)] == ["500bit", "600kbit", "1.2Mbit"]
    assert [format_share(s) for s in (0, 0.05, 0.07, 0.001)] == ["0%", "5%", "7%", "0.1%"]

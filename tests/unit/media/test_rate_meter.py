"""A rate is told by a counter that is read now and then."""

from __future__ import annotations

import pytest

from media.rate_meter import RateMeter


def test_a_steady_counter_has_a_steady_rate() -> None:
    meter = RateMeter()
    for tick in range(40):
        meter.sample(tick * 250, 100 + tick * 0.25)
        assert meter.bps == (8000 if tick >= 4 else 0)


def test_a_rate_that_halves_is_known_after_two_windows() -> None:
    meter = RateMeter()
    for second, total in enumerate((0, 1000, 2000, 2500, 3000)):
        meter.sample(total, float(second))
    assert meter.bps == 4000


def test_long_windows_are_divided_by_their_length() -> None:
    meter = RateMeter()
    meter.sample(0, 0.0)
    meter.sample(1000, 4.0)
    assert meter.bps == pytest.approx(2000)


def test_after_a_reset_nothing_of_the_past_is_left() -> None:
    meter = RateMeter()
    meter.sample(0, 0.0)
    meter.sample(1000, 1.0)
    meter.reset()
    assert meter.bps == 0
    meter.sample(9000, 100.0)
    assert meter.bps == 0
    meter.sample(9100, 101.0)
    assert meter.bps == 800

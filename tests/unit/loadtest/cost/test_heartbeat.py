from __future__ import annotations

from random import Random

import pytest

from loadtest.cost.heartbeat import MAX_MISSED, PERIOD_S, Heartbeat

START = 100.0


def heartbeat() -> tuple[Heartbeat, float]:
    beats = Heartbeat(Random(1))
    return beats, beats.start(START)


def test_beats_in_time_are_no_lag() -> None:
    beats, due = heartbeat()
    for _ in range(50):
        due = beats.beat(due)
    assert due == pytest.approx(START + 51 * PERIOD_S)
    lag = beats.percentiles_ms()
    assert lag is not None
    assert (lag.samples, lag.worst) == (50, 0.0)


def test_a_pause_counts_for_every_beat_it_swallowed() -> None:
    beats, due = heartbeat()
    now = due + 10 * PERIOD_S
    assert beats.beat(now) > now
    lag = beats.percentiles_ms()
    assert lag is not None
    assert lag.samples == pytest.approx(11, abs=1)  # the last is due now: rounding decides
    assert lag.worst == pytest.approx(10 * PERIOD_S * 1000)
    assert lag.p50 == pytest.approx(5 * PERIOD_S * 1000, abs=PERIOD_S * 1000)


def test_the_worst_is_taken_by_interval() -> None:
    beats, due = heartbeat()
    due = beats.beat(due + 0.003)
    assert beats.take_worst_ms() == pytest.approx(3)
    assert beats.take_worst_ms() == 0
    beats.beat(due + 0.001)
    assert beats.take_worst_ms() == pytest.approx(1)


def test_the_warm_up_is_forgotten() -> None:
    beats, due = heartbeat()
    due = beats.beat(due + 1.0)
    beats.forget()
    assert beats.percentiles_ms() is None
    beats.beat(due)
    lag = beats.percentiles_ms()
    assert lag is not None
    assert lag.worst < 1


def test_a_machine_that_slept_is_not_measured_for_ever() -> None:
    beats, due = heartbeat()
    now = due + 86_400
    assert beats.beat(now) == now + PERIOD_S
    lag = beats.percentiles_ms()
    assert lag is not None
    assert lag.samples == MAX_MISSED

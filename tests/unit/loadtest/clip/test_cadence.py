from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.clip.cadence import BURST_UNITS, SKIP_AFTER_S, Cadence

START = 1000.0


def test_a_punctual_caller_gets_one_at_a_time() -> None:
    cadence = Cadence(START, 30)
    numbers: list[int] = []
    for _ in range(90):
        numbers += cadence.take_due(cadence.next_deadline)
    assert numbers == list(range(90))
    assert cadence.next_deadline == START + 3.0
    assert (cadence.skipped, cadence.late_s_worst) == (0, 0.0)


def test_nothing_before_it_is_due() -> None:
    cadence = Cadence(START, 50)
    assert list(cadence.take_due(START - 0.001)) == []
    assert list(cadence.take_due(START)) == [0]
    assert list(cadence.take_due(START + 0.019)) == []


def test_a_late_caller_catches_up_a_few_at_a_time() -> None:
    cadence = Cadence(START, 10)
    now = START + 0.45
    assert list(cadence.take_due(now)) == [0, 1, 2]
    assert list(cadence.take_due(now)) == [], "the rest waits for one unit's time"
    assert cadence.next_deadline == now + 0.1
    assert list(cadence.take_due(now + 0.1)) == [3, 4, 5]
    assert cadence.next_deadline == START + 0.6
    assert cadence.skipped == 0
    assert cadence.late_s_worst == pytest.approx(0.45)


def test_a_caller_that_slept_skips() -> None:
    cadence = Cadence(START, 10)
    assert list(cadence.take_due(START + 2.05)) == [20]
    assert cadence.skipped == 20
    assert cadence.next_deadline == START + 2.1
    assert cadence.late_s_worst == pytest.approx(2.05)


@given(st.integers(1, 60), st.randoms(use_true_random=False))
def test_every_unit_is_given_or_skipped_once_and_in_time(per_s: int, rng: random.Random) -> None:
    cadence = Cadence(START, per_s)
    now, given_units, last = START, 0, -1
    for _ in range(200):
        now = max(now, cadence.next_deadline) + rng.choice((0.0, 0.001, 0.05, 0.3, 1.5))
        numbers = cadence.take_due(now)
        assert 0 < len(numbers) <= BURST_UNITS
        assert numbers[0] > last
        last = numbers[-1]
        given_units += len(numbers)
        assert given_units + cadence.skipped == last + 1
        assert START + cadence.offset_s(last) <= now, "nothing leaves early"
        # One unit's time more than the limit: what was late but not yet too late may wait so long.
        assert now - (START + cadence.offset_s(numbers[0])) <= SKIP_AFTER_S + 1 / per_s

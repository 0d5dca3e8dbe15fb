"""Held for the delay, in order, and never without a bound."""

from __future__ import annotations

import pytest

from media.delay_line import Batch, DelayLine
from media.ice import Address

FROM: Address = ("192.0.2.1", 5000)


def batch(*numbers: int) -> Batch:
    return [(bytes([number]), FROM) for number in numbers]


def test_nothing_is_due_of_an_empty_line() -> None:
    line = DelayLine(0.1)
    assert line.next_deadline() is None
    assert line.take_due(1000.0) == []


def test_a_batch_is_held_until_its_deadline_and_not_a_moment_longer() -> None:
    line = DelayLine(0.25)
    line.handle_batch(batch(1, 2), 10.0)
    assert line.next_deadline() == 10.25
    assert line.take_due(10.249) == []
    assert line.take_due(10.25) == [batch(1, 2)]
    assert line.next_deadline() is None
    assert line.take_due(11.0) == []


def test_batches_keep_their_order_and_their_own_deadlines() -> None:
    line = DelayLine(0.25)
    for number in range(4):
        line.handle_batch(batch(number), 10.0 + number)
    assert line.take_due(11.25) == [batch(0), batch(1)]
    assert line.next_deadline() == 12.25
    assert line.take_due(20.0) == [batch(2), batch(3)]


def test_what_finds_the_line_full_is_dropped_from_the_end_and_counted() -> None:
    line = DelayLine(0.25, max_held=3)
    line.handle_batch(batch(1, 2), 10.0)
    line.handle_batch(batch(3, 4), 10.1)
    line.handle_batch(batch(5), 10.2)
    assert line.dropped == 2
    assert line.take_due(11.0) == [batch(1, 2), batch(3)]


def test_a_full_line_takes_again_what_it_gave_back() -> None:
    line = DelayLine(0.25, max_held=2)
    for second in range(5):
        line.handle_batch(batch(1, 2), float(second))
        assert line.take_due(second + 0.25) == [batch(1, 2)]
    assert line.dropped == 0


@pytest.mark.parametrize("delay_s", [0.0, -0.1, 1.001])
def test_a_delay_out_of_bounds_is_a_mistake_of_the_caller(delay_s: float) -> None:
    with pytest.raises(AssertionError):
        DelayLine(delay_s)

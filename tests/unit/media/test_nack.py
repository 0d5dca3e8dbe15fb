"""Which packets are asked for again, when, how often, and when that ends."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from media.nack import NackLimits, NackTracker
from tests.support.rtp_kit import SEQUENCE_STARTS

LIMITS = NackLimits()


def test_a_hole_is_asked_for_after_the_reorder_time() -> None:
    tracker = NackTracker()
    tracker.receive(10, 0.0)
    tracker.receive(13, 1.0)
    assert tracker.next_deadline() == 1.0 + LIMITS.reorder_s
    assert tracker.take_due(1.0) == []
    assert tracker.take_due(1.0 + LIMITS.reorder_s) == [11, 12]
    assert tracker.requested == 2


def test_reordered_packets_are_never_asked_for() -> None:
    tracker = NackTracker()
    for step, number in enumerate([10, 12, 11, 14, 13]):
        tracker.receive(number, step * 0.001)
    assert tracker.next_deadline() is None
    assert tracker.take_due(9.0) == []
    assert tracker.recovered == 0


def test_retries_are_a_round_trip_apart_and_end() -> None:
    tracker = NackTracker()
    tracker.receive(10, 0.0)
    tracker.receive(12, 0.0)
    asked: list[float] = []
    now: float | None = 0.0
    while (now := tracker.next_deadline()) is not None:
        if tracker.take_due(now):
            asked.append(now)
    gaps = [after - before for before, after in pairwise(asked)]
    assert len(asked) == LIMITS.max_tries
    assert all(gap == pytest.approx(0.125) for gap in gaps)
    assert tracker.given_up == 1
    assert len(tracker) == 0


def test_a_hole_too_old_is_given_up() -> None:
    tracker = NackTracker()
    tracker.receive(10, 0.0)
    tracker.receive(12, 0.0)
    assert tracker.take_due(LIMITS.max_age_s) == []
    assert tracker.given_up == 1


def test_the_round_trip_is_learned_from_first_answers_only() -> None:
    tracker = NackTracker()
    tracker.receive(0, 0.0)
    now = 0.0
    for number in range(2, 100, 2):
        tracker.receive(number, now)
        tracker.take_due(now + 0.01)
        tracker.receive(number - 1, now + 0.05)
        now += 0.1
    assert tracker.rtt_s == pytest.approx(0.04, abs=0.005)
    before = tracker.rtt_s
    tracker.receive(200, now)
    tracker.take_due(now + 0.01)
    tracker.take_due(now + 0.20)
    tracker.receive(150, now + 5.0)
    assert tracker.rtt_s == before
    assert tracker.recovered == 50


def test_a_gap_too_wide_is_no_loss_but_a_new_beginning() -> None:
    tracker = NackTracker()
    tracker.receive(10, 0.0)
    assert not tracker.receive(11 + LIMITS.max_holes, 1.0)
    assert len(tracker) == LIMITS.max_holes
    assert tracker.receive(11 + LIMITS.max_holes + 2, 1.0)
    assert len(tracker) == 0
    assert tracker.given_up == LIMITS.max_holes + 1
    assert not tracker.receive(11 + LIMITS.max_holes + 3, 1.0)


def test_reset_forgets_all() -> None:
    tracker = NackTracker()
    tracker.receive(10, 0.0)
    tracker.receive(15, 0.0)
    tracker.reset()
    assert tracker.next_deadline() is None
    assert not tracker.receive(90_000, 0.0)
    assert len(tracker) == 0


@pytest.mark.parametrize("start", SEQUENCE_STARTS)
@pytest.mark.parametrize("seed", [1, 2])
def test_a_lossy_link_mends_itself(start: int, seed: int) -> None:
    """10 % loss, 40 ms round trip, retransmissions lost as well: nothing is missing in the end."""
    dice = random.Random(seed)
    tracker = NackTracker()
    arriving: list[tuple[float, int]] = []
    received: set[int] = set()
    now = 0.0
    for number in range(start, start + 600):
        now += 0.005
        if dice.random() > 0.1 or number in (start, start + 599):
            arriving.append((now, number))
        for at, back in [each for each in arriving if each[0] <= now]:
            received.add(back)
            tracker.receive(back, at)
        arriving = [each for each in arriving if each[0] > now]
        for wanted in tracker.take_due(now):
            if dice.random() > 0.1:
                arriving.append((now + 0.04, wanted))
    while (deadline := tracker.next_deadline()) is not None or arriving:
        now += 0.005
        for at, back in [each for each in arriving if each[0] <= now]:
            received.add(back)
            tracker.receive(back, at)
        arriving = [each for each in arriving if each[0] > now]
        if deadline is not None:
            arriving += [(now + 0.04, wanted) for wanted in tracker.take_due(now)]
    assert received == set(range(start, start + 600)), f"seed {seed}"
    assert tracker.given_up == 0

"""Which packets are asked for again, when, how often, and when that ends."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from media.nack import NEVER_ASK, NackLimits, NackTracker
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


def test_the_handshakes_round_trip_counts_until_answers_tell() -> None:
    tracker = NackTracker()
    tracker.learn_rtt(0.3)
    tracker.learn_rtt(9.0)
    assert (tracker.rtt_s, tracker.has_rtt) == (0.3, True)
    tracker.receive(10, 0.0)
    tracker.receive(12, 0.0)
    assert tracker.take_due(0.01) == [11]
    assert tracker.next_deadline() == pytest.approx(0.01 + 0.3 * 1.25)
    tracker.receive(11, 0.11)
    assert tracker.rtt_s == pytest.approx(0.3 - (0.3 - 0.1) / 8)


def test_a_second_copy_tells_of_a_round_trip_longer_than_the_spacing() -> None:
    tracker = NackTracker()
    tracker.learn_rtt(0.1)
    tracker.receive(10, 0.0)
    tracker.receive(12, 0.0)
    tracker.take_due(0.01)
    tracker.take_due(0.14)
    tracker.receive(11, 0.21)
    assert tracker.rtt_s == 0.1, "Karn: which request was that?"
    tracker.receive_again(11, 0.34)
    assert tracker.rtt_s == pytest.approx(0.1 + 0.1 / 8)
    tracker.receive_again(11, 0.9)
    assert tracker.rtt_s == pytest.approx(0.1 + 0.1 / 8), "each copy once"


def test_what_comes_after_it_was_given_up_counts_and_tells() -> None:
    tracker = NackTracker(NackLimits(max_tries=1))
    tracker.learn_rtt(0.02)
    tracker.receive(10, 0.0)
    tracker.receive(12, 0.0)
    tracker.take_due(0.01)
    tracker.take_due(0.1)
    assert tracker.given_up == 1
    tracker.receive(11, 0.31)
    assert tracker.recovered == 1
    assert tracker.rtt_s == pytest.approx(0.02 + (0.3 - 0.02) / 8)


def test_copies_waited_for_are_bounded() -> None:
    tracker = NackTracker(NackLimits(max_tries=1, max_holes=1000))
    tracker.receive(0, 0.0)
    tracker.receive(900, 0.0)
    tracker.take_due(0.01)
    tracker.take_due(0.5)
    assert tracker.given_up == 899
    before = tracker.recovered
    for number in range(1, 900):
        tracker.receive(number, 0.6)
    assert tracker.recovered - before == 64


def test_without_nack_nothing_is_asked_for() -> None:
    tracker = NackTracker(NEVER_ASK)
    tracker.receive(10, 0.0)
    tracker.receive(12, 0.0)
    assert tracker.take_due(0.01) == []
    assert (tracker.requested, tracker.given_up, len(tracker)) == (0, 1, 0)

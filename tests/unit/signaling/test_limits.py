"""Token buckets and the limits per person and lane."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.errors import Refusal
from signaling.ids import Subject
from signaling.lane import Lane
from signaling.limits import UPKEEP_ALLOWANCES, Allowance, Limits, TokenBucket, Upkeep

ANN = Subject("ann")
BEN = Subject("ben")


def admitted(limits: Limits, subject: Subject, lane: Lane | Upkeep, now: float, tries: int) -> int:
    count = 0
    for _ in range(tries):
        try:
            limits.admit(subject, "viewer", lane, now)
        except Refusal:
            continue
        count += 1
    return count


def test_a_bucket_gives_its_burst_then_its_rate() -> None:
    bucket = TokenBucket(Allowance(rate_per_s=2.0, burst=3.0), 10.0)
    assert [bucket.take(10.0) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert bucket.take(10.0) == pytest.approx(0.5)
    assert bucket.take(10.5) == 0.0
    assert bucket.take(10.5) > 0


def test_waiting_as_long_as_told_is_enough() -> None:
    bucket = TokenBucket(Allowance(rate_per_s=0.3, burst=2.0), 0.0)
    bucket.take(0.0, 2.0)
    wait_s = bucket.take(0.0, 1.0)
    assert bucket.take(wait_s + 1e-9, 1.0) == 0.0


def test_a_cost_above_the_burst_can_never_be_paid() -> None:
    bucket = TokenBucket(Allowance(rate_per_s=1.0, burst=2.0), 0.0)
    assert bucket.take(0.0, 3.0) == math.inf


def test_a_clock_that_steps_back_gives_nothing() -> None:
    bucket = TokenBucket(Allowance(rate_per_s=1.0, burst=1.0), 10.0)
    assert bucket.take(10.0) == 0.0
    assert bucket.take(5.0) == pytest.approx(1.0)
    assert bucket.take(10.5) == pytest.approx(0.5)


@given(st.lists(st.floats(0, 3, allow_nan=False), min_size=1, max_size=50))
def test_never_more_than_burst_plus_rate(gaps_s: list[float]) -> None:
    bucket = TokenBucket(Allowance(rate_per_s=2.0, burst=5.0), 0.0)
    now, taken = 0.0, 0
    for gap_s in gaps_s:
        now += gap_s
        while bucket.take(now) == 0.0:
            taken += 1
    assert taken <= 5.0 + 2.0 * now + 1e-6


def test_refusal_names_lane_and_time() -> None:
    limits = Limits({Lane.CHAT: Allowance(2.0, 1.0)})
    limits.admit(ANN, "viewer", Lane.CHAT, 10.0)
    with pytest.raises(Refusal) as refused:
        limits.admit(ANN, "viewer", Lane.CHAT, 10.0)
    assert (refused.value.code, refused.value.lane) == ("rate_limited", "chat")
    assert refused.value.retry_after_ms == 500
    limits.admit(ANN, "viewer", Lane.CHAT, 10.5)


def test_people_and_lanes_have_buckets_of_their_own() -> None:
    limits = Limits({Lane.CHAT: Allowance(1.0, 2.0), Lane.QUESTION: Allowance(1.0, 1.0)})
    assert admitted(limits, ANN, Lane.CHAT, 0.0, 9) == 2
    assert admitted(limits, BEN, Lane.CHAT, 0.0, 9) == 2
    assert admitted(limits, ANN, Lane.QUESTION, 0.0, 9) == 1


def test_upkeep_of_transports_costs_no_lane_and_no_lane_costs_it() -> None:
    limits = Limits()
    most = int(UPKEEP_ALLOWANCES[Upkeep.SHAPE].burst)
    assert admitted(limits, ANN, Upkeep.SHAPE, 0.0, 999) == most
    assert admitted(limits, ANN, Lane.CONTROL, 0.0, 1) == 1
    assert admitted(limits, ANN, Upkeep.REPORT, 0.0, 1) == 1
    with pytest.raises(Refusal) as refused:
        limits.admit(ANN, "host", Upkeep.SHAPE, 0.0)
    assert (refused.value.code, refused.value.lane) == ("rate_limited", None)


def test_staff_may_say_more() -> None:
    limits = Limits({Lane.CHAT: Allowance(1.0, 2.0)}, staff_factor=3.0)
    for _ in range(6):
        limits.admit(ANN, "staff", Lane.CHAT, 0.0)
    with pytest.raises(Refusal):
        limits.admit(ANN, "staff", Lane.CHAT, 0.0)


def test_an_unpayable_cost_names_a_bounded_wait() -> None:
    limits = Limits({Lane.CHAT: Allowance(1.0, 2.0)})
    with pytest.raises(Refusal) as refused:
        limits.admit(ANN, "viewer", Lane.CHAT, 0.0, cost=100.0)
    assert refused.value.retry_after_ms == 60_000


def test_idle_people_are_forgotten_without_effect() -> None:
    limits = Limits({Lane.CHAT: Allowance(1.0, 2.0)})
    admitted(limits, ANN, Lane.CHAT, 0.0, 2)
    admitted(limits, BEN, Lane.CHAT, 1.5, 2)
    assert limits.forget_idle(2.0) == 1
    assert len(limits) == 1
    assert admitted(limits, ANN, Lane.CHAT, 2.0, 9) == 2


def test_memory_is_bounded() -> None:
    limits = Limits(max_buckets=10)
    for number in range(100):
        limits.admit(Subject(f"s{number}"), "viewer", Lane.CHAT, 0.0)
    assert len(limits) == 10


def test_a_room_has_a_bucket_for_all_its_viewers_and_costs_the_refused_nothing() -> None:
    limits = Limits(room={Lane.QUESTION: Allowance(1.0, 2.0)})
    assert admitted(limits, ANN, Lane.QUESTION, 0.0, 2) == 2
    with pytest.raises(Refusal) as refused:
        limits.admit(BEN, "viewer", Lane.QUESTION, 0.0)
    told = refused.value
    assert (told.code, told.lane, told.reason) == ("rate_limited", "question", "room")
    assert told.retry_after_ms == 1000
    limits.admit(BEN, "staff", Lane.QUESTION, 0.0)
    assert admitted(limits, BEN, Lane.QUESTION, 9.0, 2) == 2, "BEN's own bucket is still full"


def test_slow_mode_keeps_a_gap_and_says_how_long_is_left() -> None:
    limits = Limits()
    limits.admit_slowly(ANN, "viewer", 90, 100.0)
    with pytest.raises(Refusal) as refused:
        limits.admit_slowly(ANN, "viewer", 90, 110.0)
    told = refused.value
    assert (told.code, told.lane, told.retry_after_ms) == ("slow_mode", "chat", 80_000)
    limits.admit_slowly(BEN, "viewer", 90, 110.0)
    limits.admit_slowly(ANN, "host", 90, 110.0)
    limits.admit_slowly(ANN, "viewer", 90, 190.0)
    limits.unsay(ANN)
    limits.admit_slowly(ANN, "viewer", 90, 190.0)

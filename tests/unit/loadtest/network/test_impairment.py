from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.network.conditions import Conditions
from loadtest.network.impairment import Impairment, ImpairmentCounts

PACKETS = 20_000
TEN_MS_BYTES = 1250
"""Of 1 Mbit/s."""
MEGABIT = 1e6


def impairment(conditions: Conditions, seed: int = 1) -> Impairment[int]:
    return Impairment(conditions, random.Random(seed))


def arrivals(machine: Impairment[int], until: float = math.inf) -> list[tuple[float, int]]:
    """Run it as a shell does: wake at each deadline, collect what is due. To the nanosecond."""
    arrived = []
    while (at := machine.next_deadline()) is not None and at <= until:
        arrived += [(round(at, 9), packet) for packet in machine.due(at)]
    return arrived


def test_a_good_link_hands_over_at_once() -> None:
    machine = impairment(Conditions())
    assert machine.next_deadline() is None
    machine.take(7, 100, now=5.0)
    assert machine.next_deadline() == 5.0
    assert machine.due(5.0) == [7]
    assert machine.next_deadline() is None
    assert machine.counts() == ImpairmentCounts(packets_in=1, packets_out=1)


def test_the_delay_is_waited_for() -> None:
    machine = impairment(Conditions(delay_ms=250))
    machine.take(1, 100, now=1.0)
    machine.take(2, 100, now=1.125)
    assert machine.due(1.2499) == []
    assert machine.counts().under_way == 2
    assert machine.next_deadline() == 1.25
    assert machine.due(1.25) == [1]
    assert machine.next_deadline() == 1.375
    assert machine.due(2.0) == [2]


def test_packets_leave_at_the_rate() -> None:
    machine = impairment(Conditions(rate_bps=MEGABIT))
    for packet in range(3):
        machine.take(packet, TEN_MS_BYTES, now=1.0)
    assert arrivals(machine) == [
        (1.01, 0),
        (1.02, 1),
        (1.03, 2),
    ]
    # An idle link has saved nothing up.
    machine.take(3, TEN_MS_BYTES, now=9.0)
    assert arrivals(machine) == [(9.01, 3)]


def test_who_would_wait_longer_than_the_queue_is_dropped() -> None:
    machine = impairment(Conditions(rate_bps=MEGABIT, queue_ms=25))
    for packet in range(5):
        machine.take(packet, TEN_MS_BYTES, now=0.0)
    # They would wait 0, 10, 20, 30 and 30 ms.
    assert [packet for _, packet in arrivals(machine)] == [0, 1, 2]
    assert machine.counts() == ImpairmentCounts(packets_in=5, queue_dropped=2, packets_out=3)


def test_rate_comes_before_delay() -> None:
    machine = impairment(Conditions(rate_bps=MEGABIT, delay_ms=100))
    machine.take(0, TEN_MS_BYTES, now=0.0)
    assert machine.next_deadline() == pytest.approx(0.11)


def test_a_copy_follows_and_costs_rate() -> None:
    machine = impairment(Conditions(duplicate=1, rate_bps=MEGABIT))
    machine.take(4, TEN_MS_BYTES, now=0.0)
    assert arrivals(machine) == [(0.01, 4), (0.02, 4)]
    assert machine.counts() == ImpairmentCounts(packets_in=1, duplicated=1, packets_out=2)


def test_what_skips_the_delay_overtakes() -> None:
    machine = impairment(Conditions(delay_ms=100, reorder=0.3))
    for packet in range(200):
        machine.take(packet, 100, now=packet / 1000)
    order = [packet for _, packet in arrivals(machine)]
    assert sorted(order) == list(range(200))
    overtaken = sum(packet < max(order[:place], default=-1) for place, packet in enumerate(order))
    assert machine.counts().reordered == overtaken > 0


def test_other_conditions_hold_for_what_enters_later() -> None:
    machine = impairment(Conditions(delay_ms=100))
    machine.take(0, 100, now=1.0)
    machine.change(Conditions(loss=1), now=1.05)
    machine.take(1, 100, now=1.05)
    machine.change(Conditions(), now=1.06)
    machine.take(2, 100, now=1.06)
    assert arrivals(machine) == [(1.06, 2), (1.1, 0)]
    assert machine.counts() == ImpairmentCounts(packets_in=3, lost=1, reordered=1, packets_out=2)


def test_nobody_waits_for_the_rate_of_before() -> None:
    machine = impairment(Conditions(rate_bps=MEGABIT, queue_ms=10_000))
    for packet in range(100):
        machine.take(packet, TEN_MS_BYTES, now=0.0)
    machine.change(Conditions(rate_bps=2 * MEGABIT), now=0.1)
    machine.take(100, TEN_MS_BYTES, now=0.1)
    assert (0.105, 100) in arrivals(machine)


def test_all_that_is_lost_is_gone() -> None:
    machine = impairment(Conditions(loss=1))
    for packet in range(10):
        machine.take(packet, 100, now=0.0)
    assert machine.next_deadline() is None
    assert machine.counts() == ImpairmentCounts(packets_in=10, lost=10)


@pytest.mark.parametrize("loss", [0.01, 0.05, 0.2])
@pytest.mark.parametrize("seed", range(3))
def test_losses_are_as_many_as_asked(loss: float, seed: int) -> None:
    machine = impairment(Conditions(loss=loss), seed)
    for packet in range(PACKETS):
        machine.take(packet, 100, now=0.0)
    counts = machine.counts()
    assert abs(counts.lost / PACKETS - loss) < 4 * math.sqrt(loss * (1 - loss) / PACKETS)
    assert len(machine.due(0.0)) == PACKETS - counts.lost


@pytest.mark.parametrize("share", [0.02, 0.3])
def test_copies_are_as_many_as_asked(share: float) -> None:
    machine = impairment(Conditions(duplicate=share))
    for packet in range(PACKETS):
        machine.take(packet, 100, now=0.0)
    four_sigma = 4 * math.sqrt(share * (1 - share) / PACKETS)
    assert abs(machine.counts().duplicated / PACKETS - share) < four_sigma


def test_jitter_stays_around_the_delay_and_keeps_the_order() -> None:
    machine = impairment(Conditions(delay_ms=50, jitter_ms=20))
    for packet in range(PACKETS):
        machine.take(packet, 100, now=packet / 1000)
    delays = [at - packet / 1000 for at, packet in arrivals(machine)]
    assert 0.030 <= min(delays) < 0.035
    assert 0.065 < max(delays) <= 0.070
    assert machine.counts().reordered == 0


def test_twice_the_rate_halves_what_arrives() -> None:
    machine = impairment(Conditions(rate_bps=MEGABIT, queue_ms=50))
    for packet in range(2000):
        machine.take(packet, TEN_MS_BYTES, now=packet * 0.005)
    # 10 s of the link and 50 ms of its queue, give or take the packet that is on its way.
    assert machine.counts().queue_dropped == pytest.approx(1000 - 5, abs=1)


SHARES = st.floats(0, 0.5)
CONDITIONS = st.builds(
    Conditions,
    loss=SHARES,
    burst=st.sampled_from([1, 3]),
    delay_ms=st.floats(10, 50),
    jitter_ms=st.floats(0, 10),
    rate_bps=st.none() | st.floats(1e5, 1e7),
    queue_ms=st.floats(0, 100),
    duplicate=SHARES,
    reorder=SHARES,
)
PAUSES_S = st.integers(0, 50_000).map(lambda microseconds: microseconds / 1e6)
STEPS = st.lists(st.tuples(PAUSES_S, st.integers(20, 1500)), max_size=60)
"""Seconds since the packet before, and its bytes."""


@given(CONDITIONS, STEPS, st.integers(0, 2**32))
def test_every_packet_is_accounted_for_and_in_time(
    conditions: Conditions, steps: list[tuple[float, int]], seed: int
) -> None:
    machine = impairment(conditions, seed)
    now, entered, arrived = 0.0, [], []
    for packet, (pause_s, length) in enumerate(steps):
        now += pause_s
        arrived += arrivals(machine, until=now)
        entered.append(now)
        machine.take(packet, length, now)
    assert machine.counts().under_way == len(machine._under_way)
    arrived += arrivals(machine)

    counts = machine.counts()
    assert counts.under_way == 0
    assert counts.packets_in == len(steps)
    assert counts.packets_out == len(arrived)
    assert [at for at, _ in arrived] == sorted(at for at, _ in arrived)
    longest_s = (conditions.delay_ms + conditions.jitter_ms + conditions.queue_ms) / 1000
    for at, packet in arrived:
        own_s = 0 if conditions.rate_bps is None else steps[packet][1] * 8 / conditions.rate_bps
        assert entered[packet] - 1e-9 <= at <= entered[packet] + longest_s + own_s + 1e-9


@given(CONDITIONS, STEPS, st.integers(0, 2**32))
def test_order_is_kept_without_reordering(
    conditions: Conditions, steps: list[tuple[float, int]], seed: int
) -> None:
    machine = impairment(replace(conditions, reorder=0), seed)
    now = 0.0
    for packet, (pause_s, length) in enumerate(steps):
        now += pause_s
        machine.take(packet, length, now)
    order = [packet for _, packet in arrivals(machine)]
    assert order == sorted(order)
    assert machine.counts().reordered == 0


@given(CONDITIONS, STEPS, st.integers(0, 2**32))
def test_a_seed_repeats_a_run(
    conditions: Conditions, steps: list[tuple[float, int]], seed: int
) -> None:
    runs = []
    for _ in range(2):
        machine = impairment(conditions, seed)
        for packet, (_, length) in enumerate(steps):
            machine.take(packet, length, 0.0)
        runs.append((arrivals(machine), machine.counts()))
    assert runs[0] == runs[1]

"""What a publisher is told of its packets: once, in time, over wraps, holes and reordering."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.rtp import MAX_DROPOUT
from media.twcc import (
    FAST_INTERVAL_S,
    HISTORY_S,
    INTERVAL_S,
    MAX_PENDING,
    TwccReporter,
    peek_transport_seq_untrusted,
)
from tests.support.rtp_kit import SEQUENCE_STARTS, rtp_bytes
from tests.support.twcc_reader import Feedback, read_feedback

START_S = 5_000.0
TWCC_ID = 5


def take(reporter: TwccReporter, now: float) -> list[Feedback]:
    return [read_feedback(data) for data in reporter.take_due(now, 1, 2)]


def take_at_deadline(reporter: TwccReporter) -> list[Feedback]:
    deadline = reporter.next_deadline()
    assert deadline is not None
    return take(reporter, deadline)


def one(reporter: TwccReporter) -> Feedback:
    (feedback,) = take_at_deadline(reporter)
    return feedback


def receive(reporter: TwccReporter, seqs: list[int], now: float = START_S) -> None:
    for seq in seqs:
        reporter.receive(seq & 0xFFFF, now)


# --- when -----------------------------------------------------------------------------------------


def test_nothing_new_is_nothing_to_say() -> None:
    reporter = TwccReporter()
    assert reporter.next_deadline() is None
    assert take(reporter, START_S) == []
    receive(reporter, [1])
    assert take(reporter, START_S) == [], "not yet"
    assert reporter.next_deadline() == START_S + FAST_INTERVAL_S
    assert one(reporter).received
    assert reporter.next_deadline() is None
    receive(reporter, [1])
    assert take_at_deadline(reporter) == [], "a duplicate is no news"


@pytest.mark.parametrize(
    ("packets_per_s", "interval_s"), [(50, INTERVAL_S), (1000, FAST_INTERVAL_S)]
)
def test_a_high_rate_is_told_of_more_often(packets_per_s: int, interval_s: float) -> None:
    reporter = TwccReporter()
    times = []
    for number in range(2 * packets_per_s):
        now = START_S + number / packets_per_s
        receive(reporter, [number], now)
        if reporter.take_due(now, 1, 2):
            times.append(now)
    gaps = [later - earlier for earlier, later in itertools.pairwise(times[1:])]
    assert all(interval_s <= gap < interval_s + 1.5 / packets_per_s for gap in gaps)
    assert reporter.sent == len(times)


def test_after_silence_the_first_packet_is_told_of_at_once() -> None:
    reporter = TwccReporter()
    receive(reporter, [1])
    take_at_deadline(reporter)
    receive(reporter, [2], START_S + 5)
    assert list(take(reporter, START_S + 5)[0].received) == [2]


# --- what -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", SEQUENCE_STARTS)
def test_reports_join_over_the_wrap(start: int) -> None:
    reporter = TwccReporter()
    feedback = []
    for number in range(20):
        receive(reporter, [start + number], START_S + number * 0.1)
        feedback += take(reporter, START_S + number * 0.1 + 0.06)
    feedback += take_at_deadline(reporter)
    told = [seq for each in feedback for seq in each.received]
    assert told == [start + number & 0xFFFF for number in range(20)]
    assert [each.count for each in feedback] == list(range(len(feedback)))


def test_arrival_times_are_kept_to_250_us() -> None:
    reporter = TwccReporter()
    chance = random.Random(7)
    times = [START_S + number * 0.004 + chance.random() * 0.003 for number in range(25)]
    for number, at in enumerate(times):
        receive(reporter, [number], at)
    (feedback,) = take(reporter, START_S + 1)
    told = list(feedback.received.values())
    for index, at in enumerate(times):
        assert abs(told[index] / 1e6 - at) <= 125e-6 + 1e-9, "no error adds up"


def test_lost_packets_are_reported_as_not_received() -> None:
    reporter = TwccReporter()
    receive(reporter, [10, 11, 14])
    assert list(one(reporter).statuses) == [1, 1, 0, 0, 1]
    receive(reporter, [18], START_S + 0.2)
    feedback = one(reporter)
    assert (feedback.base_seq, feedback.statuses[:3]) == (15, (0, 0, 0))
    assert list(feedback.received) == [18]


def test_the_first_packets_may_come_in_any_order() -> None:
    reporter = TwccReporter()
    receive(reporter, [12, 10, 11])
    assert list(one(reporter).received) == [10, 11, 12]


def test_a_late_packet_is_told_of_with_what_came_after_it() -> None:
    reporter = TwccReporter()
    receive(reporter, [10, 12])
    first = one(reporter)
    receive(reporter, [11, 13], START_S + 0.1)
    second = one(reporter)
    assert (first.base_seq, list(first.received)) == (10, [10, 12])
    assert (second.base_seq, list(second.received)) == (11, [11, 12, 13])
    assert second.received[12] == first.received[12], "told again, as it was"
    receive(reporter, [14], START_S + 0.2)
    assert one(reporter).base_seq == 14


def test_a_packet_from_before_the_history_is_not_told_of() -> None:
    reporter = TwccReporter()
    receive(reporter, [10, 12])
    take_at_deadline(reporter)
    receive(reporter, [11], START_S + HISTORY_S + 0.2)
    assert take(reporter, START_S + HISTORY_S + 0.2) == []
    receive(reporter, [13], START_S + HISTORY_S + 0.4)
    (feedback,) = take(reporter, START_S + HISTORY_S + 0.4)
    assert list(feedback.arrivals) == [13]


def test_a_hole_of_thousands_is_one_chunk() -> None:
    reporter = TwccReporter()
    receive(reporter, [0, 0 + MAX_DROPOUT])
    feedback = one(reporter)
    assert len(feedback.statuses) == MAX_DROPOUT + 1
    assert feedback.size <= 32


def test_a_wider_jump_begins_anew() -> None:
    reporter = TwccReporter()
    receive(reporter, [0, 1])
    take_at_deadline(reporter)
    receive(reporter, [20_000, 20_001, 20_002], START_S + 0.1)
    assert list(one(reporter).arrivals) == [20_001, 20_002], "the first is not believed"
    receive(reporter, [3, 4, 5], START_S + 0.3)
    assert list(one(reporter).arrivals) == [4, 5]


def test_more_than_fits_goes_into_several_packets() -> None:
    reporter = TwccReporter()
    receive(reporter, list(range(0, 4000, 2)))
    feedback = take_at_deadline(reporter)
    assert len(feedback) > 1
    assert [seq for each in feedback for seq in each.received] == list(range(0, 4000, 2))
    assert [seq for each in feedback for seq in each.arrivals] == list(range(3999))


def test_arrivals_too_far_apart_in_time_go_into_several_packets() -> None:
    reporter = TwccReporter()
    receive(reporter, [1], START_S)
    receive(reporter, [2], START_S + 9)
    feedback = take(reporter, START_S + 9)
    assert [list(each.received) for each in feedback] == [[1], [2]]


def test_the_count_of_packets_wraps() -> None:
    reporter = TwccReporter()
    counts = []
    for number in range(258):
        receive(reporter, [number], START_S + number)
        counts.append(take(reporter, START_S + number + 0.5)[0].count)
    assert counts == [*range(256), 0, 1]


def test_what_is_remembered_is_bounded() -> None:
    reporter = TwccReporter()
    receive(reporter, list(range(2 * MAX_PENDING)))
    told = [seq for each in take_at_deadline(reporter) for seq in each.received]
    assert told == list(range(MAX_PENDING))


# --- against a model ------------------------------------------------------------------------------


@given(
    st.sampled_from(SEQUENCE_STARTS),
    st.integers(0, 2**32),
    st.floats(0, 0.4),
    st.floats(0, 0.3),
)
def test_every_packet_that_came_in_time_is_told_of_rightly(
    start: int, seed: int, loss: float, reorder: float
) -> None:
    """The sender's view: a packet is received once any report says so, always at the same time;
    none is ever told of that did not come."""
    chance = random.Random(seed)
    sent = [(START_S + number * 0.003, start + number) for number in range(600)]
    came = sorted(
        (at + (chance.random() * 0.2 if chance.random() < reorder else 0.0), seq)
        for at, seq in sent
        if chance.random() >= loss
    )
    reporter = TwccReporter()
    told: dict[int, int] = {}
    reached = -1
    for at, seq in came:
        receive(reporter, [seq], at)
        for feedback in take(reporter, at):
            told_now = feedback.received
            assert all(told.get(each, when) == when for each, when in told_now.items())
            told.update(told_now)
            base = start + ((feedback.base_seq - start) & 0xFFFF)
            assert reached < 0 or base <= reached, "no number is passed over"
            reached = max(reached, base + len(feedback.statuses))
    for feedback in take(reporter, came[-1][0] + INTERVAL_S):
        told.update(feedback.received)
    arrived = {seq & 0xFFFF: round(at * 4000) * 250 for at, seq in came}
    assert told == arrived


@given(
    st.lists(
        st.tuples(st.integers(0, 0xFFFF), st.sampled_from([0.0, 0.001, 0.06, 0.6, 9.0])),
        max_size=200,
    )
)
def test_any_sequence_is_survived(moves: list[tuple[int, float]]) -> None:
    """Invariant: whatever a publisher counts, the feedback is well-formed and speaks only of
    what came."""
    reporter = TwccReporter()
    now = START_S
    came = set()
    for seq, wait_s in moves:
        now += wait_s
        reporter.receive(seq, now)
        came.add(seq)
        for feedback in take(reporter, now):
            assert set(feedback.received) <= came


# --- the number in the packet ---------------------------------------------------------------------


@pytest.mark.parametrize("two_byte", [False, True])
@pytest.mark.parametrize("csrcs", [(), (1, 2)])
def test_the_number_is_found_among_other_extensions(two_byte: bool, csrcs: tuple[int, ...]) -> None:
    for before in ({}, {1: b"0"}, {1: b"mid", 3: b"abc"}):
        for after in ({}, {9: b"\x55"}):
            data = rtp_bytes(
                1,
                extensions={**before, TWCC_ID: b"\xfe\xdc", **after},
                two_byte=two_byte,
                csrcs=csrcs,
            )
            assert peek_transport_seq_untrusted(data, TWCC_ID) == 0xFEDC
            assert peek_transport_seq_untrusted(data, TWCC_ID + 1) == -1


@pytest.mark.parametrize("value", [b"\x01", b"\x01\x02\x03", b"\x01\x02\x03\x04"])
@pytest.mark.parametrize("two_byte", [False, True])
def test_a_number_of_another_length_is_none(value: bytes, two_byte: bool) -> None:
    data = rtp_bytes(1, extensions={TWCC_ID: value}, two_byte=two_byte)
    assert peek_transport_seq_untrusted(data, TWCC_ID) == -1


def test_padding_between_elements_is_skipped() -> None:
    block = b"\xbe\xde\x00\x02" + b"\x00\x00\x51\x12\x34\x00\x00\x00"
    data = rtp_bytes(1, payload=block)
    assert peek_transport_seq_untrusted(bytes((0x90,)) + data[1:], TWCC_ID) == 0x1234


def test_no_extensions_and_cut_packets_have_no_number() -> None:
    assert peek_transport_seq_untrusted(rtp_bytes(1), TWCC_ID) == -1
    whole = rtp_bytes(1, extensions={1: b"abc", TWCC_ID: b"\x12\x34"}, payload=b"")
    assert peek_transport_seq_untrusted(whole, TWCC_ID) == 0x1234
    for size in range(len(whole)):
        assert peek_transport_seq_untrusted(whole[:size], TWCC_ID) == -1

"""One feedback packet on the wire, against a reader that was written from the draft."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from media.twcc_packet import MAX_BYTES, MAX_STATUSES, REFERENCE_TICKS, FeedbackPacket, pack_chunks
from tests.support.rtp_kit import SEQUENCE_STARTS
from tests.support.twcc_reader import Feedback, read_feedback

START_TICKS = 5_000 * 4000


def test_the_layout_of_a_packet() -> None:
    packet = FeedbackPacket(0x1_0005, REFERENCE_TICKS * 7 + 3)
    assert packet.add(0x1_0005, REFERENCE_TICKS * 7 + 3)
    assert packet.add(0x1_0006, REFERENCE_TICKS * 7 + 8)
    assert packet.add(0x1_0008, REFERENCE_TICKS * 7 + 7), "it overtook the one before"
    data = packet.build(0x01020304, 0x0A0B0C0D, 0x1FF)
    assert data.hex(" ", 4) == "afcd0006 01020304 0a0b0c0d 00050004 000007ff d4800305 ffff0002"
    feedback = read_feedback(data)
    assert (feedback.sender_ssrc, feedback.media_ssrc) == (0x01020304, 0x0A0B0C0D)
    assert (feedback.base_seq, feedback.reference, feedback.count) == (5, 7, 0xFF)
    assert feedback.statuses == (1, 1, 0, 2)
    first_us = 7 * 64_000
    assert feedback.arrivals == {5: first_us + 750, 6: first_us + 2000, 7: None, 8: first_us + 1750}


def chunks(statuses: list[int]) -> list[int]:
    runs: list[list[int]] = []
    for status in statuses:
        if runs and runs[-1][0] == status:
            runs[-1][1] += 1
        else:
            runs.append([status, 1])
    return pack_chunks(runs)


@pytest.mark.parametrize(
    ("statuses", "words"),
    [
        ([1], [0x2001]),
        ([1] * 14, [0x200E]),
        ([2] * 9000, [0x5FFF, 0x4000 | 9000 - 0x1FFF]),
        ([1, 0] * 7, [0x8000 | 0b10101010101010]),
        ([1, 0, 1], [0x8000 | 0b10100000000000]),
        ([1, 2, 0, 1], [0xC000 | 0b01100001000000]),
        ([0] * 100 + [1, 2], [100, 0xC000 | 0b01100000000000]),
        # Two symbols of a run go into the vector, the rest of it is a run again.
        ([2] * 5 + [1] * 20, [0xC000 | 0b10101010100101, 0x2000 | 18]),
        ([2] * 7 + [1], [0x4007, 0x2001]),
    ],
)
def test_statuses_become_the_shortest_of_the_three_chunks(
    statuses: list[int], words: list[int]
) -> None:
    assert chunks(statuses) == words


steps = st.tuples(
    st.one_of(st.just(1), st.integers(1, 20), st.integers(1, 9000)),
    st.one_of(st.integers(0, 255), st.integers(-400, 600), st.integers(-0x8000, 0x7FFF)),
)


@given(
    st.sampled_from(SEQUENCE_STARTS),
    st.integers(0, 20),
    st.lists(steps, min_size=1, max_size=300),
    st.sampled_from([START_TICKS, (1 << 24) * REFERENCE_TICKS - 5]),
)
@example(0, 0, [(1, 256)] * 600, START_TICKS)
@example(65535, 3, [(3, 255)] * 400, START_TICKS)
def test_a_reader_gets_back_what_was_added(
    start: int, hole: int, moves: list[tuple[int, int]], ticks: int
) -> None:
    base = 0x1_0000 + start
    packet = FeedbackPacket(base, ticks)
    ext_seq, added = base + hole, {}
    clock_us = ticks // REFERENCE_TICKS % (1 << 24) * 64_000 + ticks % REFERENCE_TICKS * 250
    assert packet.add(ext_seq, ticks), "the first always fits"
    added[ext_seq & 0xFFFF] = clock_us
    for ahead, delta in moves:
        if not packet.add(ext_seq + ahead, ticks + delta):
            assert packet.next_seq == ext_seq + 1, "refused: nothing changed"
            break
        ext_seq += ahead
        ticks += delta
        clock_us += 250 * delta
        added[ext_seq & 0xFFFF] = clock_us
    feedback = read_feedback(packet.build(1, 2, 3))
    assert feedback.base_seq == start
    assert feedback.received == added
    assert len(feedback.statuses) == ext_seq + 1 - base <= MAX_STATUSES
    assert feedback.size <= MAX_BYTES


def test_what_does_not_fit_is_refused() -> None:
    packet = FeedbackPacket(0x1_0000, START_TICKS)
    assert packet.add(0x1_0000, START_TICKS)
    assert not packet.add(0x1_0001, START_TICKS + 0x8000), "over 8.19 s later"
    assert not packet.add(0x1_0001, START_TICKS - 0x8001)
    assert not packet.add(0x1_0000 + MAX_STATUSES, START_TICKS)
    assert packet.add(0x1_0000 + MAX_STATUSES - 1, START_TICKS)


def test_the_reference_time_wraps_with_its_24_bits() -> None:
    wrap_ticks = (1 << 24) * REFERENCE_TICKS
    assert read_of(wrap_ticks - 1).reference == 0xFFFFFF
    assert read_of(wrap_ticks).reference == 0


def read_of(ticks: int) -> Feedback:
    packet = FeedbackPacket(0x1_0000, ticks)
    assert packet.add(0x1_0000, ticks)
    return read_feedback(packet.build(1, 2, 3))

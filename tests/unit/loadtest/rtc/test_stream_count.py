"""Counting one stream, against a plain list of what arrived."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.rtc.stream_count import WINDOW, StreamCount, count_batch

STARTS = (0, 1, 127, 128, 32767, 32768, 65534, 65535)


def counted(numbers: list[int]) -> StreamCount:
    stream = StreamCount()
    for number in numbers:
        stream.take(number & 0xFFFF, 100)
    return stream


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize(
    ("offsets", "holes", "duplicates", "reordered"),
    [
        ([0], 0, 0, 0),
        ([0, 1, 2], 0, 0, 0),
        ([0, 3], 2, 0, 0),
        ([0, 2, 1], 0, 0, 1),
        ([0, 1, 1], 0, 1, 0),
        ([0, 2, 1, 1], 0, 1, 1),
        ([3, 0], 2, 0, 1),
        ([3, 0, 1, 2], 0, 0, 3),
        ([0, 4, 2, 2, 0], 2, 2, 1),
        ([0, WINDOW, 1], WINDOW - 2, 0, 1),
        ([0, WINDOW + 1, 1], WINDOW - 1, 0, 1),
        # Too late to fill its hole.
        ([0, WINDOW + 2, 1], WINDOW + 1, 1, 0),
    ],
)
def test_what_is_counted(
    start: int, offsets: list[int], holes: int, duplicates: int, reordered: int
) -> None:
    stream = counted([start + offset for offset in offsets])
    assert stream.packets == len(offsets)
    assert stream.bytes == 100 * len(offsets)
    assert (stream.holes, stream.duplicates, stream.reordered) == (holes, duplicates, reordered)


@given(
    start=st.sampled_from(STARTS),
    steps=st.lists(st.integers(min_value=-40, max_value=60), max_size=300),
)
def test_it_agrees_with_a_list_of_all_numbers(start: int, steps: list[int]) -> None:
    numbers = [start]
    for step in steps:
        # Around the newest: what the network may do to a stream.
        numbers.append(max(max(numbers) + step, start - 500))
    stream = counted(numbers)
    seen: set[int] = set()
    duplicates = reordered = 0
    for number in numbers:
        duplicates += number in seen
        reordered += number not in seen and bool(seen) and number < max(seen)
        seen.add(number)
    assert stream.packets == len(numbers)
    assert stream.duplicates == duplicates
    assert stream.reordered == reordered
    assert stream.holes == max(seen) - min(seen) + 1 - len(seen)
    assert stream.expected == max(seen) - min(seen) + 1
    assert stream.highest_seq - stream.first_seq == max(seen) - min(seen)
    newest = max(seen) - WINDOW + 1
    holes = {number for number in range(min(seen), max(seen)) if number not in seen}
    offset = stream.highest_seq - max(seen)
    assert {number - offset for number in stream.missing if number - offset >= newest} == {
        number for number in holes if number >= newest
    }


def test_several_turns_around_the_clock() -> None:
    stream = counted([number for number in range(65_000, 3 * 65_536) if number % 1000])
    assert stream.highest_seq == 3 * 65_536 - 1
    assert stream.holes == len(
        [number for number in range(65_001, 3 * 65_536) if not number % 1000]
    )
    assert len(stream.missing) <= WINDOW


def test_memory_stays_bounded_when_everything_is_lost() -> None:
    stream = StreamCount()
    for number in range(0, 65_536 * 4, 20_000):
        stream.take(number & 0xFFFF, 1)
    assert len(stream.missing) <= WINDOW
    assert stream.holes == stream.expected - stream.packets


def test_a_sender_that_begins_anew_is_followed() -> None:
    stream = counted([50_000, 50_001, 40_000, 40_001, 40_002, 40_004])
    assert (stream.restarts, stream.holes, stream.duplicates) == (1, 1, 0)
    assert stream.expected == 7
    assert stream.highest_seq & 0xFFFF == 40_004


def test_one_strange_number_changes_nothing() -> None:
    stream = counted([50_000, 50_001, 40_000, 50_002, 50_003])
    assert (stream.restarts, stream.holes, stream.duplicates) == (0, 0, 1)


def test_a_retransmission_fills_a_hole_once() -> None:
    stream = counted([65_534, 65_537])
    assert stream.fill(65_535)
    assert not stream.fill(65_535)
    assert not stream.fill(1)
    assert not stream.fill(700)
    assert (stream.holes, stream.recovered, stream.reordered) == (1, 1, 0)
    stream.take(65_535, 100)
    assert (stream.duplicates, stream.reordered) == (1, 0)


def test_a_hole_that_was_asked_for_is_recovered_by_the_same_packet_again() -> None:
    stream = counted([1, 4])
    stream.missing[2] += 1
    stream.take(2, 100)
    stream.take(3, 100)
    assert (stream.recovered, stream.reordered, stream.holes) == (1, 1, 0)


def test_nothing_has_no_holes() -> None:
    assert (StreamCount().holes, StreamCount().expected) == (0, 0)


def header(ssrc: int, seq: int, second: int = 96) -> tuple[int, int, int, int, int]:
    return (0x80, second, seq, 0, ssrc)


def test_a_batch_counts_known_streams_and_names_the_rest() -> None:
    streams = {7: counted([9]), 8: counted([65_535])}
    headers = [
        header(7, 10),
        header(8, 0, 0x80 | 111),
        header(9, 1),
        header(7, 13),
        header(7, 12, 200),  # RTCP, whatever stands where an SSRC would
        header(7, 12),
    ]
    others = count_batch(streams, headers, [10, 20, 30, 40, 50, 60])
    assert others == [2, 4]
    assert (streams[7].packets, streams[7].bytes) == (4, 100 + 10 + 40 + 60)
    assert (streams[7].holes, streams[7].reordered) == (1, 1)
    assert (streams[8].packets, streams[8].bytes, streams[8].highest_seq) == (2, 120, 65_536)


def test_a_plain_batch_leaves_nothing_over() -> None:
    streams = {7: counted([1])}
    assert count_batch(streams, [header(7, 2), header(7, 3)], [5, 5]) is None
    assert streams[7].packets == 3

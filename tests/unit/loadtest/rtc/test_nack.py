"""When holes are asked for."""

from __future__ import annotations

import pytest

from loadtest.rtc.nack import (
    MOST_TRIES,
    NUMBERS_AT_MOST,
    REORDER_WAIT_S,
    SHORTEST_RETRY_S,
    NackList,
)
from loadtest.rtc.stream_count import WINDOW, StreamCount

RTT_S = 0.02


def stream_of(*numbers: int) -> StreamCount:
    stream = StreamCount()
    for number in numbers:
        stream.take(number & 0xFFFF, 100)
    return stream


@pytest.mark.parametrize("start", [0, 1, 127, 128, 32767, 32768, 65534, 65535])
def test_a_hole_is_asked_for_after_a_moment_and_again(start: int) -> None:
    stream, nacks = stream_of(start, start + 3), NackList()
    assert nacks.take_due(stream, 1.0, RTT_S) == ([], False)
    now = 1.0 + REORDER_WAIT_S
    assert nacks.take_due(stream, now, RTT_S) == ([start + 1, start + 2], False)
    assert nacks.take_due(stream, now + SHORTEST_RETRY_S / 2, RTT_S) == ([], False)
    stream.take((start + 1) & 0xFFFF, 100)
    assert nacks.take_due(stream, now + SHORTEST_RETRY_S, RTT_S) == ([start + 2], False)
    assert stream.missing == {start + 2: 2}
    assert (stream.recovered, stream.reordered) == (1, 0)


def test_a_late_packet_is_not_asked_for() -> None:
    stream, nacks = stream_of(1, 3), NackList()
    nacks.take_due(stream, 1.0, RTT_S)
    stream.take(2, 100)
    assert nacks.take_due(stream, 2.0, RTT_S) == ([], False)
    assert (stream.recovered, stream.reordered) == (0, 1)


def test_a_long_way_waits_longer() -> None:
    stream, nacks = stream_of(1, 3), NackList()
    nacks.take_due(stream, 1.0, 0.3)
    assert nacks.take_due(stream, 1.1, 0.3) == ([2], False)
    assert nacks.take_due(stream, 1.39, 0.3) == ([], False)
    assert nacks.take_due(stream, 1.41, 0.3) == ([2], False)


def test_it_is_given_up_once() -> None:
    stream, nacks = stream_of(1, 3), NackList()
    nacks.take_due(stream, 0.0, RTT_S)
    asked = [nacks.take_due(stream, float(second), RTT_S) for second in range(1, MOST_TRIES + 1)]
    assert asked == [([2], False)] * MOST_TRIES
    assert nacks.take_due(stream, 20.0, RTT_S) == ([], True)
    assert nacks.take_due(stream, 21.0, RTT_S) == ([], False)
    # It leaves the window later: that is no news.
    stream.take(4 + WINDOW, 100)
    assert nacks.take_due(stream, 22.0, RTT_S)[1] is False


def test_what_falls_out_of_the_window_is_given_up() -> None:
    stream, nacks = stream_of(1, 3), NackList()
    nacks.take_due(stream, 1.0, RTT_S)
    stream.take(10 + WINDOW, 100)
    assert nacks.take_due(stream, 1.001, RTT_S) == ([], True)


def test_a_burst_is_asked_for_in_parts() -> None:
    stream, nacks = stream_of(0, 2 * NUMBERS_AT_MOST), NackList()
    nacks.take_due(stream, 1.0, RTT_S)
    first, _ = nacks.take_due(stream, 1.01, RTT_S)
    second, _ = nacks.take_due(stream, 1.02, RTT_S)
    assert first + second == list(range(1, 2 * NUMBERS_AT_MOST))

"""Frames on a stream: whole, cut everywhere, wrong, and back again."""

from __future__ import annotations

import pytest

from media.errors import RemoteProtocolError
from media.framing import MAX_FRAME_BYTES, Deframer, framed, framed_run

DATAGRAMS = [b"a", bytes(range(200)), b"x" * MAX_FRAME_BYTES, b"last"]
STREAM = b"".join(framed(each) for each in DATAGRAMS)


def test_a_frame_is_its_length_and_its_bytes() -> None:
    # RFC 4571 §2: 16 bits in network byte order, not counting themselves.
    assert framed(b"abc") == b"\x00\x03abc"
    assert framed(memoryview(b"z" * 300)) == b"\x01\x2c" + b"z" * 300


def test_frames_that_come_together_are_told_apart() -> None:
    assert Deframer().frames_untrusted(STREAM) == DATAGRAMS


def test_frames_come_byte_by_byte() -> None:
    deframer = Deframer()
    found: list[bytes] = []
    for number in range(len(STREAM)):
        found += deframer.frames_untrusted(STREAM[number : number + 1])
    assert found == DATAGRAMS


def test_a_stream_may_be_cut_anywhere() -> None:
    short = b"".join(framed(each) for each in (b"one", b"two!", b"3"))
    for first in range(len(short) + 1):
        for second in range(first, len(short) + 1):
            deframer = Deframer()
            found = deframer.frames_untrusted(short[:first])
            found += deframer.frames_untrusted(short[first:second])
            found += deframer.frames_untrusted(short[second:])
            assert found == [b"one", b"two!", b"3"]


@pytest.mark.parametrize("length", [0, MAX_FRAME_BYTES + 1, 0x4745, 0xFFFF])
def test_a_length_that_no_peer_sends_ends_it(length: int) -> None:
    # 0x4745 is "GE" of "GET / HTTP/1.1".
    with pytest.raises(RemoteProtocolError) as refused:
        Deframer().frames_untrusted(framed(b"fine") + length.to_bytes(2, "big"))
    assert refused.value.reason == "bad_frame"


@pytest.mark.parametrize("total", [1, 99, 100, 101, 200, 250, 300])
def test_a_run_is_as_many_frames_as_segments(total: int) -> None:
    run = bytes(index % 251 for index in range(total))
    segments = [run[start : start + 100] for start in range(0, total, 100)]
    assert framed_run(memoryview(run), 100) == b"".join(framed(each) for each in segments)

from __future__ import annotations

import pytest
from aiortc.rtp import RtpPacket
from hypothesis import given
from hypothesis import strategies as st

from loadtest.clip.rtp import RtpStream
from tests.support.rtp_kit import SEQUENCE_STARTS


def stream(first_seq: int = 0, first_timestamp: int = 0, extension: bytes = b"") -> RtpStream:
    return RtpStream(
        ssrc=0xDECAFBAD,
        payload_type=96,
        clock_rate=90_000,
        first_seq=first_seq,
        first_timestamp=first_timestamp,
        extension=extension,
    )


@pytest.mark.parametrize("start", SEQUENCE_STARTS)
def test_sequence_numbers_wrap(start: int) -> None:
    one = stream(start)
    packets = [
        RtpPacket.parse(packet)
        for _ in range(3)
        for packet in one.frame((b"a", b"bc"), 7, marks_end=True)
    ]
    assert [p.sequence_number for p in packets] == [(start + n) % 0x10000 for n in range(6)]
    assert [p.marker for p in packets] == [0, 1] * 3
    assert [p.payload for p in packets] == [b"a", b"bc"] * 3
    assert {(p.ssrc, p.payload_type, p.timestamp) for p in packets} == {(0xDECAFBAD, 96, 7)}


def test_sound_has_no_marker() -> None:
    (packet,) = stream().frame((b"opus",), 0, marks_end=False)
    assert RtpPacket.parse(packet).marker == 0


def test_extension_block() -> None:
    """RFC 8285 §4.2: 0xBEDE, one word: id 4 with one byte."""
    block = bytes.fromhex("bede0001 40 30 0000")
    (packet,) = stream(extension=block).frame((b"x",), 0, marks_end=True)
    assert packet[12:20] == block
    parsed = RtpPacket.parse(packet)
    assert parsed.payload == b"x"
    assert packet[0] & 0x10


@given(st.integers(0, 0xFFFFFFFF), st.floats(0, 1e6))
def test_timestamps_run_at_the_clock_rate_and_wrap(first: int, since_start_s: float) -> None:
    assert stream(0, first).timestamp_at(since_start_s) == (
        first + round(since_start_s * 90_000)
    ) % (1 << 32)

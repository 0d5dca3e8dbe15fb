"""The one-byte header extensions (RFC 8285)."""

from __future__ import annotations

import pytest
from aiortc.rtp import RtpPacket, unpack_header_extensions

from loadtest.rtc.header_extension import (
    abs_send_time,
    header_bytes,
    pack_extensions,
    payload_of,
)


def test_the_block_is_what_others_read() -> None:
    values = [(4, b"0"), (5, b"q"), (3, abs_send_time(1.5))]
    block = pack_extensions(values)
    assert block[:2] == b"\xbe\xde"
    assert len(block) == 4 + 4 * int.from_bytes(block[2:4], "big")
    assert unpack_header_extensions(0xBEDE, block[4:]) == values
    assert pack_extensions([]) == b""


@pytest.mark.parametrize("value", [(0, b"x"), (15, b"x"), (1, b""), (1, bytes(17))])
def test_what_does_not_fit_is_said(value: tuple[int, bytes]) -> None:
    with pytest.raises(ValueError, match="does not fit one byte"):
        pack_extensions([value])


def test_abs_send_time_has_18_bits_behind_the_point_and_wraps() -> None:
    assert abs_send_time(1.0) == b"\x04\x00\x00"
    assert abs_send_time(64.0) == b"\x00\x00\x00"
    assert abs_send_time(63.9999999) == b"\xff\xff\xff"


def packet(block: bytes, payload: bytes, padding: int = 0) -> bytes:
    first = 0x80 | (0x10 if block else 0) | (0x20 if padding else 0)
    tail = bytes(padding - 1) + bytes([padding]) if padding else b""
    return bytes([first, 96]) + bytes(10) + block + payload + tail


@pytest.mark.parametrize("block", [b"", pack_extensions([(4, b"0"), (3, b"abc")])])
@pytest.mark.parametrize("padding", [0, 1, 5])
def test_the_payload_lies_behind_header_and_extension(block: bytes, padding: int) -> None:
    plain = packet(block, b"payload", padding)
    assert header_bytes(plain) == 12 + len(block)
    assert payload_of(plain) == b"payload" == RtpPacket.parse(plain).payload


def test_packets_cut_anywhere_have_no_payload() -> None:
    plain = packet(pack_extensions([(4, b"0")]), b"")
    for length in range(len(plain)):
        assert payload_of(plain[:length]) == b""
        assert header_bytes(plain[:length]) is None

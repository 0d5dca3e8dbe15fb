from __future__ import annotations

import pytest
from aiortc.codecs.h264 import H264PayloadDescriptor
from hypothesis import given
from hypothesis import strategies as st

from loadtest.clip.h264 import H264Payloads, nal_units, payloads
from loadtest.clip.payload import MAX_PAYLOAD_BYTES
from loadtest.rtc.marker import MARK_BYTES, find_mark, mark
from media.payload import inspect_untrusted

SENT_NS = 1_790_000_000_123_456_789
SPS, PPS, IDR, SLICE = b"\x67\x42\xc0\x1f", b"\x68\xce", b"\x65", b"\x41"
LONG, SHORT = b"\0\0\0\1", b"\0\0\1"


def annexb(*nals: bytes, start_code: bytes = LONG) -> bytes:
    return b"".join(start_code + nal for nal in nals)


def received(packets: list[bytes] | tuple[bytes, ...]) -> list[bytes]:
    return nal_units(b"".join(H264PayloadDescriptor.parse(packet)[1] for packet in packets))


slices = st.lists(
    # Emulation prevention keeps zero runs out of NAL units (ITU-T H.264 §7.4.1).
    st.binary(min_size=1, max_size=5000).map(lambda body: SLICE + body.replace(b"\0", b"\1")),
    min_size=1,
    max_size=4,
)


@given(slices, st.booleans(), st.booleans())
def test_the_access_unit_comes_back_whole(nals: list[bytes], is_key: bool, marked: bool) -> None:
    sets = [SPS, PPS] if is_key else []
    cut = payloads(annexb(*sets, *nals))
    packets = H264Payloads().next_frame(cut, mark(SENT_NS) if marked else None)
    assert max(map(len, packets)) <= MAX_PAYLOAD_BYTES
    got = received(packets)
    if marked:
        sei = got.pop(len(sets))
        assert sei[0] == 6
        assert find_mark(sei) == SENT_NS
        assert find_mark(packets[0]) == SENT_NS, "a receiver looks at the first packet alone"
    assert got == [*sets, *nals]


@pytest.mark.parametrize("start_code", [LONG, SHORT])
def test_start_codes_and_what_is_left_out(start_code: bytes) -> None:
    delimiter, advertisement, filler = b"\x09\xf0", b"\x06\x05\x01x\x80", b"\x0c\xff\x80"
    unit = annexb(delimiter, SPS, PPS, advertisement, IDR + b"x", filler, start_code=start_code)
    assert received(payloads(unit)) == [SPS, PPS, IDR + b"x"]
    assert nal_units(unit + b"\0\0") == nal_units(unit), "trailing zeros are no part of a NAL unit"


def test_layout() -> None:
    sets, alone = payloads(annexb(SPS, PPS, IDR + b"x"))
    assert sets == b"\x78\x00\x04" + SPS + b"\x00\x02" + PPS
    assert alone == IDR + b"x"
    first, second = payloads(annexb(IDR + bytes([1]) * 1200))
    assert (first[:2], second[:2]) == (b"\x7c\x85", b"\x7c\x45")
    assert first[2:] + second[2:] == bytes([1]) * 1200


def test_a_mark_is_an_sei_message() -> None:
    (small,) = H264Payloads().next_frame((SLICE + b"x",), mark(SENT_NS))
    sei, picture = received([small])
    assert sei == bytes((6, 5, MARK_BYTES)) + mark(SENT_NS) + b"\x80"
    assert picture == SLICE + b"x"
    full = SLICE + b"x" * (MAX_PAYLOAD_BYTES - 1)
    assert H264Payloads().next_frame((full,), mark(SENT_NS)) == [sei, full]


def test_the_server_finds_the_key_frames() -> None:
    key = payloads(annexb(SPS, PPS, IDR + b"x" * 3000))
    later = payloads(annexb(SLICE + b"x" * 3000))
    for packets, is_key in ((key, True), (later, False)):
        for marked in (None, mark(SENT_NS)):
            first = H264Payloads().next_frame(packets, marked)[0]
            assert inspect_untrusted("h264", first)[0] is is_key

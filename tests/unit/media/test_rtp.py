"""RTP headers and extensions: read whole and cut, written as layouts, counters unwrapped."""

from __future__ import annotations

import pytest

from media.errors import RemoteProtocolError
from media.rtp import (
    ABS_CAPTURE_TIME_URI,
    ABS_SEND_TIME_URI,
    AUDIO_LEVEL_URI,
    MAX_DROPOUT,
    MID_URI,
    VIDEO_ORIENTATION_URI,
    ExtensionReader,
    SequenceUnwrapper,
    Unwrapper,
    extension_layout,
    parse_rtp_untrusted,
    peek_ssrc_untrusted,
    read_extensions_untrusted,
)
from tests.support.rtp_kit import SEQUENCE_STARTS, rtp_bytes, source_packet

WORLD_TIME_URI = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"


def test_every_part_of_a_header() -> None:
    data = rtp_bytes(
        65_535,
        0xFFFFFFFF,
        ssrc=0xDEADBEEF,
        payload_type=127,
        marker=True,
        csrcs=(1, 2, 3),
        extensions={1: b"ab", 14: bytes(16)},
        payload=b"the payload",
        padding=5,
    )
    header = parse_rtp_untrusted(data)
    assert (header.seq, header.rtp_timestamp, header.ssrc) == (65_535, 0xFFFFFFFF, 0xDEADBEEF)
    assert (header.payload_type, header.marker) == (127, True)
    assert data[header.payload_start : header.payload_end] == b"the payload"
    assert read_extensions_untrusted(data, header) == {1: b"ab", 14: bytes(16)}
    assert peek_ssrc_untrusted(data) == 0xDEADBEEF


def test_a_packet_of_padding_only_has_an_empty_payload() -> None:
    data = rtp_bytes(1, payload=b"", padding=255)
    header = parse_rtp_untrusted(data)
    assert header.payload_start == header.payload_end == 12


def test_cut_at_each_length_it_is_refused_or_shorter() -> None:
    data = rtp_bytes(1, csrcs=(1,), extensions={1: b"abc"}, payload=b"123", padding=4)
    for cut in range(len(data)):
        try:
            header = parse_rtp_untrusted(data[:cut])
        except RemoteProtocolError:
            continue
        assert header.payload_start <= header.payload_end <= cut


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "rtp_too_short"),
        (bytes(11), "rtp_too_short"),
        (bytes(12), "rtp_version"),
        (b"\x40" + bytes(11), "rtp_version"),
        (b"\x81" + bytes(11), "rtp_header_truncated"),
        (b"\x90" + bytes(11), "rtp_extension_truncated"),
        (b"\x90" + bytes(11) + b"\xbe\xde\x00\x02" + bytes(4), "rtp_header_truncated"),
        (b"\xa0" + bytes(11), "rtp_padding"),
        (b"\xa0" + bytes(12), "rtp_padding"),
        (b"\xa0" + bytes(11) + b"\x02", "rtp_padding"),
    ],
)
def test_malformed_headers(data: bytes, reason: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_rtp_untrusted(data)
    assert caught.value.reason == reason


def test_peeking_at_too_few_bytes() -> None:
    with pytest.raises(RemoteProtocolError):
        peek_ssrc_untrusted(bytes(11))


def block(profile: int, value: bytes) -> bytes:
    value += bytes(-len(value) % 4)
    head = profile.to_bytes(2, "big") + (len(value) // 4).to_bytes(2, "big")
    return b"\x90" + bytes(11) + head + value + b"payload"


@pytest.mark.parametrize(
    ("profile", "value", "elements"),
    [
        (0xBEDE, b"\x00\x00\x10\xaa", {1: b"\xaa"}),
        (0xBEDE, b"\x10\xaa\xf0\xbb\x20\xcc", {1: b"\xaa"}),  # id 15 ends the list
        (0x1000, b"\x01\x00\x02\x01\xaa", {1: b"", 2: b"\xaa"}),
        (0x100F, b"\xff\x02\xaa\xbb", {255: b"\xaa\xbb"}),  # the low bits are free
        (0xABCD, b"\x10\xaa", {}),
    ],
)
def test_extension_forms(profile: int, value: bytes, elements: dict[int, bytes]) -> None:
    data = block(profile, value)
    assert read_extensions_untrusted(data, parse_rtp_untrusted(data)) == elements


@pytest.mark.parametrize(
    ("profile", "value"),
    [
        (0xBEDE, b"\x1f\xaa\xaa\xaa"),
        (0x1000, b"\x01\x05\xaa\xaa"),
        (0x1000, b"\x01\x01\xaa\x02"),  # an id without its length
    ],
)
def test_elements_beyond_their_block(profile: int, value: bytes) -> None:
    data = block(profile, value)
    with pytest.raises(RemoteProtocolError):
        read_extensions_untrusted(data, parse_rtp_untrusted(data))


IDS = {
    MID_URI: 1,
    AUDIO_LEVEL_URI: 2,
    VIDEO_ORIENTATION_URI: 3,
    ABS_SEND_TIME_URI: 4,
    ABS_CAPTURE_TIME_URI: 5,
    WORLD_TIME_URI: 6,
}


def test_the_reader_takes_what_it_knows() -> None:
    capture = (0x0102030405060708).to_bytes(8, "big")
    elements = {1: b"mid0", 2: b"\x85", 3: b"\x01", 4: bytes(3), 5: capture, 6: bytes(2)}
    data = rtp_bytes(1, extensions=elements)
    values = ExtensionReader(IDS).read_untrusted(data, parse_rtp_untrusted(data))
    assert values.mid == b"mid0"
    assert values.audio_level == 0x85
    assert values.video_orientation == 1
    assert values.abs_capture_time == 0x0102030405060708


@pytest.mark.parametrize("identifier", [2, 3, 5])
def test_values_of_a_wrong_length_are_left_out(identifier: int) -> None:
    data = rtp_bytes(1, extensions={identifier: bytes(3)})
    values = ExtensionReader(IDS).read_untrusted(data, parse_rtp_untrusted(data))
    assert values.audio_level is None
    assert values.video_orientation is None
    assert values.abs_capture_time is None


def test_the_reader_without_extensions() -> None:
    data = rtp_bytes(1)
    values = ExtensionReader({}).read_untrusted(data, parse_rtp_untrusted(data))
    assert values.mid is None


@pytest.mark.parametrize(("lift", "mid"), [(0, "0"), (20, "0"), (0, "a-mid-of-twenty-chars")])
def test_layouts_read_back(lift: int, mid: str) -> None:
    """One-byte form where ids and lengths allow it, else two-byte (RFC 8285 §4.1.2)."""
    ids = {uri: number + lift for uri, number in IDS.items()}
    layout = extension_layout(ids, mid)
    packet = source_packet(1, audio_level=7, video_orientation=2, abs_capture_time=99)
    written = layout.block(packet, 0xABCDEF)
    assert len(written) % 4 == 0
    data = b"\x90" + bytes(11) + written
    assert read_extensions_untrusted(data, parse_rtp_untrusted(data)) == {
        1 + lift: mid.encode(),
        2 + lift: b"\x07",
        3 + lift: b"\x02",
        4 + lift: b"\xab\xcd\xef",
        5 + lift: (99).to_bytes(8, "big"),
    }
    assert layout.is_stamped


def test_a_layout_says_nothing_where_nothing_was_negotiated() -> None:
    layout = extension_layout({}, "0")
    assert layout.block(source_packet(1, audio_level=3), 5) == b""
    assert not layout.is_stamped


def test_equal_layouts_are_one() -> None:
    assert extension_layout(dict(IDS), "0") is extension_layout(
        {uri: IDS[uri] for uri in reversed(IDS)}, "0"
    )
    assert extension_layout(IDS, "0") is not extension_layout(IDS, "1")


@pytest.mark.parametrize("start", SEQUENCE_STARTS)
def test_sequence_numbers_unwrap(start: int) -> None:
    unwrapper = SequenceUnwrapper()
    first = unwrapper.unwrap(start)
    assert first is not None
    for step in range(1, 70_000, 997):
        assert unwrapper.unwrap((start + step) & 0xFFFF) == first + step
        assert unwrapper.unwrap((start + step - 5) & 0xFFFF) == first + step - 5
        assert unwrapper.nearest((start + step + 9) & 0xFFFF) == first + step + 9
    assert unwrapper.restarts == 0


def test_a_stray_number_is_dropped_and_two_in_a_row_restart() -> None:
    unwrapper = SequenceUnwrapper()
    first = unwrapper.unwrap(100)
    assert first is not None
    assert unwrapper.unwrap(100 + MAX_DROPOUT + 1) is None
    assert unwrapper.unwrap(101) == first + 1
    assert unwrapper.unwrap(40_000) is None
    assert unwrapper.unwrap(40_001) == first - 100 + 40_001
    assert unwrapper.restarts == 1
    # A restart behind goes on ahead all the same: ext_seq never goes back.
    assert unwrapper.unwrap(10_000) is None
    again = unwrapper.unwrap(10_001)
    assert again == first - 100 + 65_536 + 10_001


@pytest.mark.parametrize("bits", [7, 15, 32])
def test_counters_of_any_width_unwrap(bits: int) -> None:
    mask = (1 << bits) - 1
    unwrapper = Unwrapper(bits)
    first = unwrapper.unwrap(mask - 1)
    assert [unwrapper.unwrap((mask + step) & mask) - first for step in range(4)] == [1, 2, 3, 4]
    assert unwrapper.unwrap(mask - 1) == first
    assert unwrapper.highest == first + 4

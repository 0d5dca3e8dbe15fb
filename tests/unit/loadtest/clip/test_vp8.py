from __future__ import annotations

from aiortc.codecs.vpx import VpxPayloadDescriptor
from hypothesis import given
from hypothesis import strategies as st

from loadtest.clip.payload import MAX_PAYLOAD_BYTES
from loadtest.clip.vp8 import Vp8Payloads, fragments
from loadtest.rtc.marker import find_mark, mark
from media.payload import inspect_untrusted

SENT_NS = 1_790_000_000_123_456_789


@given(st.binary(min_size=1, max_size=8000), st.booleans(), st.integers(0, 0x7FFF))
def test_the_frame_comes_back_whole(frame: bytes, is_marked: bool, picture_id: int) -> None:
    payloads = Vp8Payloads(picture_id).next_frame(
        fragments(frame), mark(SENT_NS) if is_marked else None
    )
    cut = [VpxPayloadDescriptor.parse(payload) for payload in payloads]
    assert b"".join(rest for _, rest in cut) == frame + (mark(SENT_NS) if is_marked else b"")
    assert {descriptor.picture_id for descriptor, _ in cut} == {picture_id}
    assert [d.partition_start for d, _ in cut] == [1] + [0] * (len(cut) - 1)
    assert max(map(len, payloads)) <= MAX_PAYLOAD_BYTES
    if is_marked:
        assert find_mark(payloads[-1]) == SENT_NS


def test_layout() -> None:
    first, second = Vp8Payloads(0x1234).next_frame((b"ab", b"c"), None)
    assert first == bytes.fromhex("90 80 9234") + b"ab"
    assert second == bytes.fromhex("80 80 9234") + b"c"


def test_picture_ids_wrap_at_15_bits() -> None:
    numbered = Vp8Payloads(0x7FFE)
    ids = [
        VpxPayloadDescriptor.parse(numbered.next_frame((b"x",), None)[0])[0].picture_id
        for _ in range(4)
    ]
    assert ids == [0x7FFE, 0x7FFF, 0, 1]


def test_the_server_reads_the_same() -> None:
    """The P bit of the frame header is 0 in a key frame (RFC 6386 §9.1)."""
    for frame, is_key in ((b"\x10\x00\x00", True), (b"\x11\x00\x00", False)):
        payload = Vp8Payloads(77).next_frame(fragments(frame), None)[0]
        is_keyframe_start, descriptor = inspect_untrusted("vp8", payload)
        assert is_keyframe_start is is_key
        assert descriptor is not None
        assert descriptor.picture_id == 77

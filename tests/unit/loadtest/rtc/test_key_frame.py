"""Key frames are told by the first bytes of a payload."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.rtc.key_frame import begins_key_frame


@pytest.mark.parametrize(
    ("payload", "is_key"),
    [
        (b"\x10\x00", True),
        (b"\x10\x01", False),
        (b"\x00\x00", False),  # no start of a partition
        (b"\x11\x00", False),  # another partition
        (b"\x90\x80\x05\x00", True),  # 7 bits of picture id
        (b"\x90\x80\x85\x05\x00", True),  # 15 bits
        (b"\x90\x80\x85\x05\x01", False),
        (b"\x90\xe0\x85\x05\x11\x22\x00", True),  # picture id, TL0PICIDX, TID
        (b"\x90\x10\x22\x00", True),  # KEYIDX alone
        (b"\x90\x80", False),
        (b"\x10", False),
        (b"", False),
    ],
)
def test_vp8(payload: bytes, is_key: bool) -> None:
    assert begins_key_frame("VP8", payload) is is_key


@pytest.mark.parametrize(
    ("payload", "is_key"),
    [
        (b"\x65\x88", True),
        (b"\x67\x42", True),
        (b"\x41\x9a", False),
        (b"\x78\x00\x02\x67\x42\x00\x02\x68\xce", True),
        (b"\x78\x00\x02\x06\x05\x00\x02\x65\x88", True),
        (b"\x78\x00\x02\x41\x9a", False),
        (b"\x78\x00\x00\x00\x00", False),
        (b"\x7c\x85\x88", True),
        (b"\x7c\x05\x88", False),  # not its first part
        (b"\x7c\x81\x88", False),
        (b"\x65", False),
        (b"", False),
    ],
)
def test_h264(payload: bytes, is_key: bool) -> None:
    assert begins_key_frame("H264", payload) is is_key


@given(st.sampled_from(["VP8", "H264", "opus"]), st.binary(max_size=40))
def test_any_bytes_are_read(codec: str, payload: bytes) -> None:
    assert begins_key_frame(codec, payload) in (True, False)
    assert begins_key_frame("opus", payload) is False

"""Where H.264 key frames start (RFC 6184): single NAL units, STAP-A, FU-A."""

from __future__ import annotations

import pytest

from media.payload.h264 import is_keyframe_start

SPS, PPS, IDR, SLICE = b"\x67\x42\x00", b"\x68\xce", b"\x65\x88", b"\x41\x9a"


def stap_a(*units: bytes) -> bytes:
    return b"\x78" + b"".join(len(unit).to_bytes(2, "big") + unit for unit in units)


@pytest.mark.parametrize(
    ("payload", "is_start"),
    [
        (SPS, True),
        (PPS, False),
        (IDR, True),
        (SLICE, False),
        (stap_a(SPS, PPS), True),
        (stap_a(PPS, SPS), True),
        (stap_a(PPS, IDR), True),
        (stap_a(b"\x09\x10", SLICE), False),
        (b"\x7c\x85\x88", True),  # FU-A, start of an IDR slice
        (b"\x7c\x05\x88", False),  # its middle
        (b"\x7c\x45\x88", False),  # its end
        (b"\x5c\x81\x9a", False),  # FU-A of an ordinary slice
        (b"\x7c", False),
        (b"\x78", False),
        (b"\x78\x00", False),
        (b"\x78\xff\xff\x68", False),  # a length beyond the end
        (b"", False),
    ],
)
def test_key_frame_start(payload: bytes, is_start: bool) -> None:
    assert is_keyframe_start(payload) is is_start

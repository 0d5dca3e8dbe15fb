"""Where AV1 coded video sequences start (AV1 RTP specification §4.4)."""

from __future__ import annotations

import pytest

from media.payload.av1 import is_keyframe_start

Z, N = 0x80, 0x08
ONE, MANY = 0x10, 0x00
SEQUENCE, FRAME = 1 << 3, 6 << 3


@pytest.mark.parametrize(
    ("payload", "is_start"),
    [
        (bytes((N,)), True),
        (bytes((Z | N, SEQUENCE)), False),
        (bytes((ONE, SEQUENCE)), True),
        (bytes((ONE, FRAME)), False),
        (bytes((MANY, 0x0A, SEQUENCE)), True),
        (bytes((MANY, 0x8A, 0x01, SEQUENCE)), True),
        (bytes((MANY, 0x0A, FRAME)), False),
        (bytes((MANY, *([0xFF] * 12))), False),
        (bytes((MANY,)), False),
        (bytes((ONE,)), False),
        (b"", False),
    ],
)
def test_key_frame_start(payload: bytes, is_start: bool) -> None:
    assert is_keyframe_start(payload) is is_start

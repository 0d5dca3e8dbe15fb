"""Where VP9 key frames start (RFC 9628 §4.2)."""

from __future__ import annotations

import pytest

from media.payload.vp9 import is_keyframe_start

I, P, L, F, B, E = 0x80, 0x40, 0x20, 0x10, 0x08, 0x04  # noqa: E741  # the names of the RFC


@pytest.mark.parametrize(
    ("payload", "is_start"),
    [
        (bytes((B,)), True),
        (bytes((B | P,)), False),
        (bytes((E,)), False),
        (bytes((I | B | E, 0x05)), True),
        (bytes((I | B, 0x85, 0x01)), True),
        (bytes((I | L | B, 0x05, 0x00)), True),
        (bytes((I | L | B, 0x05, 0x02)), False),  # spatial layer 1
        (bytes((I | L | B | F, 0x85, 0x01, 0x00)), True),
        (bytes((I | L | B, 0x85, 0x01)), False),  # cut before the layer indices
        (bytes((I | L | B,)), False),
        (bytes((L | B,)), False),
        (b"", False),
    ],
)
def test_key_frame_start(payload: bytes, is_start: bool) -> None:
    assert is_keyframe_start(payload) is is_start

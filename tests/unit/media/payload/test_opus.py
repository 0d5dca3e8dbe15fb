"""How long an Opus packet sounds (RFC 6716 §3.1 and table 2)."""

from __future__ import annotations

import pytest

from media.payload.opus import MAX_TICKS, duration_ticks


@pytest.mark.parametrize(
    ("payload", "ticks"),
    [
        (bytes((31 << 3,)), 960),  # CELT 20 ms, one frame
        (bytes((31 << 3 | 1,)), 1920),
        (bytes((31 << 3 | 2,)), 1920),
        (bytes((31 << 3 | 3, 3)), 2880),
        (bytes((16 << 3,)), 120),
        (bytes((0,)), 480),
        (bytes((3 << 3,)), 2880),
        (bytes((13 << 3,)), 960),
        (bytes((3 << 3 | 3, 63)), MAX_TICKS),  # more than 120 ms is not allowed
        (bytes((3,)), 0),
        (b"", 0),
    ],
)
def test_duration(payload: bytes, ticks: int) -> None:
    assert duration_ticks(payload) == ticks

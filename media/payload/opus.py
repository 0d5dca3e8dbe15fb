"""Opus payloads (RFC 6716 §3.1, RFC 7587): how long one packet sounds.

|config (5 bits)|s|c|   c: 0 one frame, 1 or 2 two frames, 3 a count byte follows
"""

from __future__ import annotations

from typing import Final

CLOCK_RATE: Final = 48_000
"""RFC 7587 §4.1: always 48 kHz, whatever the audio bandwidth."""

# Ticks at 48 kHz of one frame by config / 4 group: SILK 10, 20, 40, 60 ms; hybrid 10, 20 ms;
# CELT 2.5, 5, 10, 20 ms (RFC 6716 table 2).
_SILK = (480, 960, 1920, 2880)
_HYBRID = (480, 960)
_CELT = (120, 240, 480, 960)
MAX_TICKS: Final = 5760
"""120 ms, the longest packet (RFC 6716 §3.2.5)."""


def duration_ticks(payload: bytes) -> int:
    """Length of a packet in ticks; 0 where the bytes do not say."""
    if not payload:
        return 0
    config = payload[0] >> 3
    if config < 12:
        frame = _SILK[config & 3]
    elif config < 16:
        frame = _HYBRID[config & 1]
    else:
        frame = _CELT[config & 3]
    code = payload[0] & 3
    if code == 0:
        count = 1
    elif code < 3:
        count = 2
    elif len(payload) > 1:
        count = payload[1] & 0x3F
    else:
        return 0
    return min(frame * count, MAX_TICKS)

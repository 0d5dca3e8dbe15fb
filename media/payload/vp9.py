"""VP9 payload descriptor (RFC 9628 §4.2): where a key frame starts.

    0 1 2 3 4 5 6 7
   |I|P|L|F|B|E|V|Z|  P: inter-predicted, B: begins a frame
I: |M| PictureID   |  7 bits, 15 when M
L: | TID |U| SID |D|
"""

from __future__ import annotations


def is_keyframe_start(payload: bytes) -> bool:
    """Whether the first packet of a key frame's lowest spatial layer is here; any bytes do."""
    if not payload:
        return False
    first = payload[0]
    # B set and P clear; then, with layer indices present, spatial layer 0.
    if first & 0x48 != 0x08:
        return False
    if not first & 0x20:
        return True
    position = 1
    if first & 0x80:
        if len(payload) < 2:
            return False
        position = 3 if payload[1] & 0x80 else 2
    return position < len(payload) and (payload[position] >> 1) & 0x07 == 0

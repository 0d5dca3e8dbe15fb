"""AV1 payloads (AV1 RTP specification §4.4): where a key frame starts.

|Z|Y| W |N|-|-|-|  Z: continues an OBU, W: number of OBUs (0: each has a length),
                   N: first packet of a coded video sequence
"""

from __future__ import annotations

from typing import Final

_SEQUENCE_HEADER: Final = 1


def is_keyframe_start(payload: bytes) -> bool:
    """Whether a coded video sequence starts here, by the N bit or by a sequence header OBU first.

    Any bytes do.
    """
    if not payload or payload[0] & 0x80:
        return False
    if payload[0] & 0x08:
        return True
    position = 1
    if (payload[0] >> 4) & 0x03 != 1:
        # LEB128 length of the first OBU: at most 8 bytes (AV1 bitstream §4.10.5).
        while position < min(len(payload), 9) and payload[position] & 0x80:
            position += 1
        position += 1
    return position < len(payload) and (payload[position] >> 3) & 0x0F == _SEQUENCE_HEADER

"""H.264 payloads (RFC 6184): where a key frame starts.

A key frame starts with the sequence parameter set (NAL type 7) that precedes it, or with the IDR
slice (5) itself: in a packet of its own, inside a STAP-A (24), or as the first FU-A (28). OBS and
Chromium repeat the parameter sets before each key frame, mostly as STAP-A.
"""

from __future__ import annotations

from typing import Final

_IDR: Final = 5
_SPS: Final = 7
_STAP_A: Final = 24
_FU_A: Final = 28
_STARTS: Final = (_IDR, _SPS)


def is_keyframe_start(payload: bytes) -> bool:
    """Whether an SPS or the first part of an IDR slice is in this payload; any bytes do."""
    if not payload:
        return False
    nal_type = payload[0] & 0x1F
    if nal_type in _STARTS:
        return True
    if nal_type == _FU_A:
        # FU header: S|E|R|type
        return len(payload) > 1 and payload[1] >= 0x80 and payload[1] & 0x1F in _STARTS
    if nal_type == _STAP_A:
        return _stap_has_start(payload)
    return False


def _stap_has_start(payload: bytes) -> bool:
    position = 1
    while position + 2 < len(payload):
        if payload[position + 2] & 0x1F in _STARTS:
            return True
        position += 2 + int.from_bytes(payload[position : position + 2], "big")
    return False

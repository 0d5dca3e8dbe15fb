"""Whether a video payload begins a key frame (RFC 7741 §4.2 and §4.3, RFC 6184 §5)."""

from __future__ import annotations

from typing import Final

_IDR, _SPS, _STAP_A, _FU_A = 5, 7, 24, 28
_KEY_UNITS: Final = (_IDR, _SPS)


def begins_key_frame(codec: str, payload: bytes) -> bool:
    """False for what is malformed, or for a codec that is not known here."""
    if codec == "VP8":
        return _vp8(payload)
    return codec == "H264" and _h264(payload)


def _vp8(payload: bytes) -> bool:
    """Descriptor with S set and partition 0, then a frame header whose P bit is 0."""
    if not payload or payload[0] & 0x17 != 0x10:
        return False
    at = 1
    if payload[0] & 0x80:
        flags = payload[1] if len(payload) > 1 else 0
        at = 2
        if flags & 0x80:
            at += 2 if len(payload) > 2 and payload[2] & 0x80 else 1
        at += (flags >> 6 & 1) + (1 if flags & 0x30 else 0)
    return at < len(payload) and not payload[at] & 1


def _h264(payload: bytes) -> bool:
    if len(payload) < 2:
        return False
    kind = payload[0] & 0x1F
    if kind == _STAP_A:
        at = 1
        while at + 2 < len(payload):
            if payload[at + 2] & 0x1F in _KEY_UNITS:
                return True
            at += 2 + int.from_bytes(payload[at : at + 2], "big")
        return False
    if kind == _FU_A:
        return bool(payload[1] & 0x80) and payload[1] & 0x1F in _KEY_UNITS
    return kind in _KEY_UNITS

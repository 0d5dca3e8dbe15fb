"""A mark inside encoded media that says when it was sent, so that a receiver can read the delay.

Sender and receiver share one clock: the wall clock of one machine, which the kernel's receive
timestamps (SO_TIMESTAMPNS) speak, too. The mark has no zero byte, so it needs no emulation
prevention in an H.264 NAL unit (ITU-T H.264 §7.4.1).
"""

from __future__ import annotations

from typing import Final

MAGIC: Final = bytes.fromhex("6c6d9d4be1a743f8b2c4d5e6f7a1b3c9")
"""Serves as the uuid_iso_iec_11578 of an H.264 `user_data_unregistered` SEI message, too."""
_SEVENS: Final = 10
"""Groups of 7 bits that hold 64 bits, each with its top bit set."""
MARK_BYTES: Final = len(MAGIC) + _SEVENS


def mark(sent_ns: int) -> bytes:
    """`sent_ns`: Unix time in nanoseconds."""
    return MAGIC + bytes(0x80 | (sent_ns >> 7 * n) & 0x7F for n in reversed(range(_SEVENS)))


def find_mark(payload: bytes) -> int | None:
    """When the last mark in there was sent (Unix nanoseconds); None without one."""
    at = payload.rfind(MAGIC)
    sevens = payload[at + len(MAGIC) : at + MARK_BYTES]
    if at < 0 or len(sevens) < _SEVENS:
        return None
    sent_ns = 0
    for seven in sevens:
        sent_ns = sent_ns << 7 | seven & 0x7F
    return sent_ns

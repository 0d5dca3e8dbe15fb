"""One transport-wide feedback packet (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).

     0                   1                   2                   3
    |V=2|P| FMT=15  |    PT=205     |            length             |
    |                     SSRC of packet sender                     |
    |                      SSRC of media source                     |
    |     base sequence number      |     packet status count       |
    |        reference time (64 ms)                 | fb pkt. count |
    |  packet chunks, 16 bits each ...                              |
    |  receive deltas (250 us), 1 or 2 bytes for each received packet ...

A chunk is a run of one status (13 bits of length), or a vector of 14 statuses of one bit or of 7
of two bits.
"""

from __future__ import annotations

import struct
from typing import Final

TICKS_PER_S: Final = 4000
"""Receive deltas count 250 us."""
REFERENCE_TICKS: Final = 256
"""The reference time counts 64 ms."""
MAX_BYTES: Final = 1100
"""Of one feedback packet before SRTCP: fits every path, as ours of media do."""
MAX_STATUSES: Final = 0x7FFF
"""Sequence numbers of one packet: half the cycle, so that the far end can still unwrap them."""

NOT_RECEIVED: Final = 0
SMALL_DELTA: Final = 1
LARGE_DELTA: Final = 2
"""The statuses of a packet; 3 is reserved."""

_RTPFB: Final = 205
_FMT: Final = 15
_HEAD = struct.Struct("!BBHIIHHI")
_MAX_RUN: Final = 0x1FFF
_ONE_BIT: Final = 14
_TWO_BITS: Final = 7


class FeedbackPacket:
    """Grows by `add` in the order of sequence numbers, until one does not fit any more.

    `base_seq` is the extended number of the first packet it speaks of, received or not; `ticks`
    the arrival (250 us) of the first *received* one.
    """

    __slots__ = ("_base_seq", "_deltas", "_next_seq", "_reference", "_runs", "_ticks")

    def __init__(self, base_seq: int, ticks: int) -> None:
        self._base_seq = base_seq
        self._next_seq = base_seq
        self._reference = ticks // REFERENCE_TICKS
        self._ticks = self._reference * REFERENCE_TICKS
        self._runs: list[list[int]] = []
        self._deltas = bytearray()

    def add(self, ext_seq: int, ticks: int) -> bool:
        """Report a packet, and all between it and the last one as not received.

        False, and nothing changed, when it does not fit: too far in numbers or in time, or too
        many bytes. The first one after `base_seq` fits if it is within `MAX_STATUSES`.
        """
        delta = ticks - self._ticks
        # A run takes at most one chunk (holes are shorter than a run can be), so this is enough.
        size = _HEAD.size + 2 * (len(self._runs) + 2) + len(self._deltas) + 2
        if (
            not -0x8000 <= delta <= 0x7FFF
            or ext_seq - self._base_seq >= MAX_STATUSES
            or size > MAX_BYTES
        ):
            return False
        if ext_seq > self._next_seq:
            self._runs.append([NOT_RECEIVED, ext_seq - self._next_seq])
        is_small = 0 <= delta <= 0xFF
        status = SMALL_DELTA if is_small else LARGE_DELTA
        if self._runs and self._runs[-1][0] == status:
            self._runs[-1][1] += 1
        else:
            self._runs.append([status, 1])
        self._deltas += delta.to_bytes(1 if is_small else 2, "big", signed=not is_small)
        self._next_seq = ext_seq + 1
        self._ticks = ticks
        return True

    @property
    def next_seq(self) -> int:
        """The extended number after the last one reported."""
        return self._next_seq

    def build(self, sender_ssrc: int, media_ssrc: int, count: int) -> bytes:
        """The RTCP packet; `count` is the feedback packet count, modulo 256."""
        chunks = pack_chunks(self._runs)
        body = struct.pack(f"!{len(chunks)}H", *chunks) + self._deltas
        padding = -len(body) % 4
        if padding:
            body += bytes(padding - 1) + bytes((padding,))
        return (
            _HEAD.pack(
                0x80 | (0x20 if padding else 0) | _FMT,
                _RTPFB,
                (_HEAD.size + len(body)) // 4 - 1,
                sender_ssrc,
                media_ssrc,
                self._base_seq & 0xFFFF,
                self._next_seq - self._base_seq,
                (self._reference & 0xFFFFFF) << 8 | count & 0xFF,
            )
            + body
        )


def pack_chunks(runs: list[list[int]]) -> list[int]:
    """The chunks for `(status, length)` runs, as 16-bit words.

    Greedy, as libwebrtc: a run where it is at least as long as a vector would be, else a vector.
    """
    chunks: list[int] = []
    index, used = 0, 0
    while index < len(runs):
        status, length = runs[index]
        length -= used
        if length >= _ONE_BIT or index + 1 == len(runs):
            taken = min(length, _MAX_RUN)
            chunks.append(status << 13 | taken)
            index, used = (index + 1, 0) if taken == length else (index, used + taken)
            continue
        statuses = _statuses(runs, index, used)
        if LARGE_DELTA not in statuses:
            size, word = _ONE_BIT, 0x8000
            for place, each in enumerate(statuses):
                word |= each << 13 - place
        elif length >= _TWO_BITS:
            chunks.append(status << 13 | length)
            index, used = index + 1, 0
            continue
        else:
            size, word = _TWO_BITS, 0xC000
            for place, each in enumerate(statuses[:_TWO_BITS]):
                word |= each << 12 - 2 * place
        chunks.append(word)
        index, used = _advance(runs, index, used + size)
    return chunks


def _statuses(runs: list[list[int]], index: int, used: int) -> list[int]:
    """Up to 14 statuses from the given place on."""
    statuses: list[int] = []
    while index < len(runs) and len(statuses) < _ONE_BIT:
        status, length = runs[index]
        statuses += [status] * min(length - used, _ONE_BIT - len(statuses))
        index, used = index + 1, 0
    return statuses


def _advance(runs: list[list[int]], index: int, used: int) -> tuple[int, int]:
    """The place `used` statuses after the start of run `index`, or after the end."""
    while index < len(runs) and used >= runs[index][1]:
        used -= runs[index][1]
        index += 1
    return index, used

"""What arrived of one SSRC: packets, bytes, holes, duplicates, late ones.

A core. `next_seq`, `first_seq` and the keys of `missing` are extended sequence numbers: the 16
bits of the wire, continued over each wrap. A number is a hole from the moment a later one
arrived until it comes itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Literal

StreamKind = Literal["audio", "video", "rtx"]

WINDOW: Final = 1024
"""Packets. What comes later than this behind the newest fills no hole any more (no retransmission
buffer reaches so far back); it counts as a duplicate."""
_HALF: Final = 0x8000
_CYCLE: Final = 0x10000
RTCP_TYPES: Final = range(192, 224)
"""Values of the second byte that make a packet RTCP (RFC 5761 §4)."""


@dataclass(slots=True)
class StreamCount:
    """`packets` and `bytes` count every datagram of the stream, duplicates included, at its size
    on the wire (SRTP). Of the numbers between the first and the newest, each either arrived once
    (`packets - duplicates`), was `recovered` by RTX, or is one of the `holes`."""

    kind: StreamKind = "video"
    payload_type: int = -1
    packets: int = 0
    bytes: int = 0
    holes: int = 0
    duplicates: int = 0
    reordered: int = 0
    """Came behind a later one, without having been asked for."""
    recovered: int = 0
    """Holes filled after a NACK, by RTX or by the same packet again."""
    restarts: int = 0
    """Jumps back of the sender's numbering (RFC 3550 A.1)."""
    first_seq: int = -1
    next_seq: int = -1
    missing: dict[int, int] = field(default_factory=dict)
    """The holes of the last `WINDOW` numbers -> how often they were asked for."""
    _strange_seq: int = -1

    @property
    def highest_seq(self) -> int:
        """Extended; meaningless before the first packet."""
        return self.next_seq - 1

    @property
    def expected(self) -> int:
        """Numbers from the first to the newest."""
        return self.next_seq - self.first_seq if self.packets else 0

    def take(self, seq: int, length: int) -> None:  # hot path
        """Count one packet. `seq` has 16 bits."""
        expected = self.next_seq
        if seq == expected & 0xFFFF and self.packets:
            self.next_seq = expected + 1
            self.packets += 1
            self.bytes += length
        else:
            self.take_unexpected(seq, length)

    def take_unexpected(self, seq: int, length: int) -> None:
        """Count a packet whose number is not the next one."""
        self.packets += 1
        self.bytes += length
        if self.packets == 1:
            self.first_seq, self.next_seq = seq, seq + 1
            return
        ahead = (seq - self.next_seq) & 0xFFFF
        if ahead < _HALF:
            self._skip(ahead)
        elif _CYCLE - ahead > WINDOW + 1:
            self._take_strange(seq)
        else:
            self._take_late(self.next_seq - (_CYCLE - ahead))

    def fill(self, seq: int) -> bool:
        """A retransmission brought this number (16 bits). False when it was not missing."""
        number = self.next_seq - ((self.next_seq - seq) & 0xFFFF)
        if self.missing.pop(number, None) is None:
            return False
        self.holes -= 1
        self.recovered += 1
        return True

    def _skip(self, count: int) -> None:
        newest = self.next_seq + count
        oldest = newest - WINDOW
        while self.missing and next(iter(self.missing)) < oldest:
            del self.missing[next(iter(self.missing))]
        self.missing.update(dict.fromkeys(range(max(self.next_seq, oldest), newest), 0))
        self.holes += count
        self.next_seq = newest + 1

    def _take_late(self, number: int) -> None:
        asked = self.missing.pop(number, None)
        if asked is not None:
            self.holes -= 1
            if asked:
                self.recovered += 1
            else:
                self.reordered += 1
        elif number < self.first_seq:
            between = range(number + 1, self.first_seq)
            self.missing = dict.fromkeys(between, 0) | self.missing
            self.holes += len(between)
            self.first_seq = number
            self.reordered += 1
        else:
            self.duplicates += 1

    def _take_strange(self, seq: int) -> None:
        """Far behind. The second such number in a row is a sender that began anew."""
        if seq != self._strange_seq:
            self._strange_seq = (seq + 1) & 0xFFFF
            self.duplicates += 1
            return
        self._strange_seq = -1
        self.restarts += 1
        self.duplicates -= 1
        self.missing.clear()
        number = (self.next_seq // _CYCLE + 1) * _CYCLE + seq
        # As if it had followed: what was lost between the two numberings cannot be known.
        self.first_seq += number - self.next_seq - 1
        self.next_seq = number + 1


def count_batch(
    streams: dict[int, StreamCount],
    headers: Iterable[tuple[int, int, int, int, int]],
    lengths: list[int],
) -> list[int] | None:  # hot path
    """Count the RTP packets of known streams among a batch of datagrams.

    `headers` are the first 12 bytes as (first byte, second byte, seq, timestamp, ssrc), `lengths`
    the sizes. Returns the indexes of all others, None when there are none. One dict lookup and a
    few plain ints a packet: this is what bounds the number of viewers of one tester.
    """
    others: list[int] | None = None
    for index, (_, second, seq, _, ssrc) in enumerate(headers):
        stream = streams.get(ssrc)
        if stream is None or 192 <= second < 224:
            if others is None:
                others = []
            others.append(index)
        elif seq == (expected := stream.next_seq) & 0xFFFF:
            stream.next_seq = expected + 1
            stream.packets += 1
            stream.bytes += lengths[index]
        else:
            stream.take_unexpected(seq, lengths[index])
    return others

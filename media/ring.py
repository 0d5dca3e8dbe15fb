"""Retransmission ring: the last moments of one source, shared by all its subscribers.

A viewer's NACK is translated back to the source's `ext_seq` by the forwarder and answered from
here, so a retransmission costs no memory per subscriber (RFC 4585 §6.2.1, RFC 4588).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from media.rtp import SourcePacket


@dataclass(frozen=True, slots=True)
class RingLimits:
    """How much of a source is kept; whichever limit is reached first counts.

    A retransmission later than `span_s` would miss the viewer's jitter buffer anyway.
    `max_bytes` counts payload only.
    """

    span_s: float = 1.5
    max_packets: int = 2048
    max_bytes: int = 4 * 1024 * 1024


VIDEO_RING = RingLimits()
AUDIO_RING = RingLimits(span_s=1.0, max_packets=128, max_bytes=256 * 1024)


class RetransmissionRing:
    """Packets by `ext_seq`, oldest arrival first out."""

    __slots__ = ("_bytes", "_limits", "_packets")

    def __init__(self, limits: RingLimits = VIDEO_RING) -> None:
        self._limits = limits
        self._packets: dict[int, SourcePacket] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._packets)

    @property
    def payload_bytes(self) -> int:
        return self._bytes

    def put(self, packet: SourcePacket) -> None:
        """Keep a packet (each `ext_seq` once); forgets what is over a limit by its arrival."""
        packets = self._packets
        if packet.ext_seq in packets:
            return
        packets[packet.ext_seq] = packet
        self._bytes += len(packet.payload)
        limits = self._limits
        oldest_arrival = packet.arrival - limits.span_s
        while packets:
            oldest = next(iter(packets.values()))
            if (
                oldest.arrival >= oldest_arrival
                and len(packets) <= limits.max_packets
                and self._bytes <= limits.max_bytes
            ):
                break
            del packets[oldest.ext_seq]
            self._bytes -= len(oldest.payload)

    def get(self, ext_seq: int) -> SourcePacket | None:
        return self._packets.get(ext_seq)

    def has_forgotten(self, ext_seq: int) -> bool:
        """Whether that packet, if it ever came, has been dropped for its age."""
        oldest = next(iter(self._packets), None)
        return oldest is not None and ext_seq < oldest and ext_seq not in self._packets

    def newest(self, count: int) -> list[SourcePacket]:
        """The last packets that came, newest first; fewer when there are not so many."""
        return list(islice(reversed(self._packets.values()), count))

    def clear(self) -> None:
        self._packets.clear()
        self._bytes = 0

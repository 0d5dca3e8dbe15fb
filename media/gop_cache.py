"""The current group of pictures of a source, for newcomers: of sources that ignore PLIs, and of
all while it is young.

A `GopReplay` hands the cache out in small portions (a GOP is up to some megabytes; sent at once it
would overflow the viewer's bottleneck) until it has caught up with what arrives. Its packets go
through the viewer's `Forwarder` like live ones, so numbering stays continuous and injective.
"""

from __future__ import annotations

from dataclasses import dataclass

from media.rtp import SourcePacket


@dataclass(frozen=True, slots=True)
class GopLimits:
    """A longer or larger group is not cached: its newcomers would start too far behind."""

    span_s: float = 4.0
    max_packets: int = 4096
    max_bytes: int = 8 * 1024 * 1024


class GopCache:
    """Packets from the last key frame start on, in order of arrival.

    Memory is bounded by `GopLimits`; over a limit the cache stays closed until the next key frame.
    """

    __slots__ = ("_bytes", "_limits", "_packets")

    def __init__(self, limits: GopLimits | None = None) -> None:
        self._limits = limits or GopLimits()
        self._packets: list[SourcePacket] | None = None
        self._bytes = 0

    @property
    def packets(self) -> list[SourcePacket] | None:
        """The growing group (do not change it), or None while there is none to replay."""
        return self._packets

    def is_younger(self, age_s: float, now: float) -> bool:
        """Whether there is a group, and its key frame began to arrive that lately."""
        packets = self._packets
        return packets is not None and now - packets[0].arrival < age_s

    def put(self, packet: SourcePacket) -> None:
        """Take the next received packet; late ones of an earlier group are left out."""
        if packet.is_keyframe_start and not self._is_before_start(packet):
            # A new list: a replay in progress keeps reading the old one to its end.
            self._packets = [packet]
            self._bytes = len(packet.payload)
            return
        packets = self._packets
        if packets is None or self._is_before_start(packet):
            return
        packets.append(packet)
        self._bytes += len(packet.payload)
        limits = self._limits
        if (
            packet.arrival - packets[0].arrival > limits.span_s
            or len(packets) > limits.max_packets
            or self._bytes > limits.max_bytes
        ):
            self.clear()

    def clear(self) -> None:
        self._packets = None
        self._bytes = 0

    def _is_before_start(self, packet: SourcePacket) -> bool:
        return self._packets is not None and packet.ext_seq < self._packets[0].ext_seq


class GopReplay:
    """One newcomer's way through the cache to the live edge.

    Until `is_done`, offer the viewer's stream what `take` returns and nothing live of that source;
    from then on everything live. Takes after the cache closed end early: the hole is mended by
    the viewer's NACKs or the next key frame.
    """

    __slots__ = ("_cache", "_packets", "_position", "source_id")

    def __init__(self, cache: GopCache) -> None:
        self._cache = cache
        self._packets = cache.packets
        self._position = 0
        self.source_id = self._packets[0].source_id if self._packets else -1

    @property
    def is_done(self) -> bool:
        """Whether everything received so far was handed out."""
        if self._packets is None:
            return True
        if self._position < len(self._packets):
            return False
        return self._cache.packets is self._packets or self._cache.packets is None

    def take(self, max_packets: int) -> list[SourcePacket]:
        """The next packets; [] when done. A newer group continues where the old one ended."""
        if self._packets is None:
            return []
        if self._position == len(self._packets) and self._cache.packets is not self._packets:
            self._packets = self._cache.packets
            self._position = 0
            if self._packets is None:
                return []
        portion = self._packets[self._position : self._position + max_packets]
        self._position += len(portion)
        return portion

"""Counters of many peers and sockets added up, those of people who left included."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Self

from loadtest.rtc.peer_counts import PeerCounts
from loadtest.targets.target import Lane, SocketCounts


@dataclass(slots=True)
class MediaSums(PeerCounts):
    """`PeerCounts` of several peers."""

    def add(self, counts: PeerCounts) -> None:
        for name in _COUNTERS:
            setattr(self, name, getattr(self, name) + getattr(counts, name))

    def since(self, earlier: PeerCounts) -> MediaSums:
        return MediaSums(**{n: getattr(self, n) - getattr(earlier, n) for n in _COUNTERS})


_COUNTERS = tuple(each.name for each in fields(PeerCounts))


@dataclass(slots=True)
class MessageSums:
    """`SocketCounts` of several sockets."""

    bytes: int = 0
    shed: int = 0
    delivered: dict[Lane, int] = field(default_factory=dict)

    def add(self, counts: SocketCounts) -> None:
        self.bytes += counts.bytes
        self.shed += counts.shed
        _add_to(self.delivered, counts.messages)

    def since(self, earlier: MessageSums) -> MessageSums:
        return MessageSums(
            self.bytes - earlier.bytes,
            self.shed - earlier.shed,
            {lane: n - earlier.delivered.get(lane, 0) for lane, n in self.delivered.items()},
        )

    @property
    def messages(self) -> int:
        return sum(self.delivered.values())


def _add_to(into: dict[Lane, int], counts: Mapping[Lane, int]) -> None:
    for lane, count in counts.items():
        into[lane] = into.get(lane, 0) + count


@dataclass(slots=True)
class Sums:
    """What viewers received and sockets were told, up to one moment."""

    media: MediaSums = field(default_factory=MediaSums)
    messages: MessageSums = field(default_factory=MessageSums)

    def plus(self, peers: Iterable[PeerCounts], sockets: Iterable[SocketCounts]) -> Self:
        """A new value with these on top."""
        total = type(self)()
        total.media.add(self.media)
        total.messages.bytes, total.messages.shed = self.messages.bytes, self.messages.shed
        _add_to(total.messages.delivered, self.messages.delivered)
        for counts in peers:
            total.media.add(counts)
        for socket in sockets:
            total.messages.add(socket)
        return total

    def since(self, earlier: Sums) -> Sums:
        return Sums(self.media.since(earlier.media), self.messages.since(earlier.messages))

"""Who sends what into a room, as this node's media sees it. A core: no I/O, no time.

A person may hold several uplinks for a moment (OBS comes back before its old session has died);
what counts is which sources they send in all and whether any of their transports is heard.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from itertools import takewhile

from media.seam import PeerId, TrackId, TrackInfo
from signaling.ids import SeatNo, Subject
from signaling.media_owner import MediaOwner
from signaling.quality import TransportQuality
from signaling.slots import LiveTrack
from signaling.views import SourceName


class Hearing(Enum):
    """What is heard of a person's transports."""

    NONE = "none"
    """None is connected."""
    SILENT = "silent"
    """All that are connected are silent."""
    HEARD = "heard"


class Uplink:
    """One publishing transport. `taken_ms` is when its person took the seat that allowed it."""

    def __init__(
        self,
        peer_id: PeerId,
        owner: MediaOwner,
        sources: frozenset[SourceName],
        taken_ms: int,
    ) -> None:
        self.peer_id = peer_id
        self.owner = owner
        self.sources = sources
        self.taken_ms = taken_ms
        self.live: dict[TrackId, TrackInfo] = {}
        """Tracks whose first packet arrived."""
        self.is_connected = False
        self.is_silent = False
        self.quality = TransportQuality(peer_id, "publish")

    @property
    def subject(self) -> Subject:
        return self.owner.who.subject


class Uplinks:
    """Every uplink of one room on this node."""

    def __init__(self) -> None:
        self._by_peer: dict[PeerId, Uplink] = {}

    def __len__(self) -> int:
        return len(self._by_peer)

    def add(self, uplink: Uplink) -> None:
        self._by_peer[uplink.peer_id] = uplink

    def remove(self, peer_id: PeerId) -> Uplink | None:
        return self._by_peer.pop(peer_id, None)

    def get(self, peer_id: PeerId) -> Uplink | None:
        return self._by_peer.get(peer_id)

    def of(self, subject: str) -> list[Uplink]:
        return [uplink for uplink in self._by_peer.values() if uplink.subject == subject]

    def peer_ids(self) -> tuple[PeerId, ...]:
        return tuple(self._by_peer)

    def sending(self, subject: str) -> frozenset[SourceName]:
        """Sources of a person that are arriving."""
        return frozenset(
            track.source for uplink in self.of(subject) for track in uplink.live.values()
        )

    def hearing(self, subject: str) -> Hearing:
        connected = [uplink for uplink in self.of(subject) if uplink.is_connected]
        if not connected:
            return Hearing.NONE
        return Hearing.SILENT if all(u.is_silent for u in connected) else Hearing.HEARD

    def replaced_by(self, new: Uplink) -> list[Uplink]:
        """Older uplinks of the same person with a source that `new` sends too (DESIGN 7.3). A
        first packet may come late: it must not end a newer one, whose offer came meanwhile."""
        older = takewhile(lambda uplink: uplink is not new, self.of(new.subject))
        return [uplink for uplink in older if not uplink.sources.isdisjoint(new.sources)]

    def live_tracks(self, seats: Iterable[tuple[SeatNo, str]]) -> tuple[LiveTrack, ...]:
        """What may be shown: arriving tracks of people who sit, `seats` as (number, subject).

        Of two tracks of one source (a hand-over) the newer one counts.
        """
        newest: dict[tuple[SeatNo, SourceName], LiveTrack] = {}
        for seat, subject in seats:
            for uplink in self.of(subject):
                for track in uplink.live.values():
                    newest[seat, track.source] = LiveTrack(
                        track_id=track.track_id,
                        seat=seat,
                        subject=Subject(subject),
                        source=track.source,
                        kind=track.kind,
                    )
        return tuple(newest.values())

    def track_ids(self, subject: str, source: SourceName) -> list[TrackId]:
        return [
            track.track_id
            for uplink in self.of(subject)
            for track in uplink.live.values()
            if track.source == source
        ]

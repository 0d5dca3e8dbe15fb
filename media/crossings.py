"""Which tracks cross from one media worker to another, and for whom. A core.

A track crosses to a worker while any slot there is pointed at it, once however many slots that are,
and a while longer: a slot that comes back (a guest spoke in between) finds it, and one that just
left keeps its picture until the next one's first key frame.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from media.seam import (
    Command,
    ExportTrack,
    ImportTrack,
    MuteTrack,
    PeerId,
    StopRelay,
    TrackFormat,
    TrackId,
    TrackInfo,
)

LINGER_S: Final = 10.0
"""How long a track that nobody watches there still crosses."""

Sent = tuple[int, Command]
"""A worker, and what it is told."""


class _Crossing:
    """To worker `to` as `channel`. `idle_since` is None while a slot follows it."""

    __slots__ = ("channel", "idle_since", "slots", "to", "track")

    def __init__(self, channel: int, track: _Track, to: int) -> None:
        self.channel = channel
        self.track = track
        self.to = to
        self.slots: set[tuple[PeerId, str]] = set()
        self.idle_since: float | None = None


class _Track:
    """Published by `peer_id` on `worker`; crossings by where they lead."""

    __slots__ = ("crossings", "format", "info", "is_muted", "peer_id", "worker")

    def __init__(
        self, peer_id: PeerId, worker: int, info: TrackInfo, track_format: TrackFormat
    ) -> None:
        self.peer_id = peer_id
        self.worker = worker
        self.info = info
        self.format = track_format
        self.is_muted = False
        self.crossings: dict[int, _Crossing] = {}


class Crossings:
    """Methods return what workers have to be told, in this order. `link_of` names the socket where
    a worker takes tracks of others."""

    def __init__(self, link_of: Callable[[int], str]) -> None:
        self._link_of = link_of
        self._channels = itertools.count(1)
        self._tracks: dict[TrackId, _Track] = {}
        self._tracks_of: dict[PeerId, list[_Track]] = {}
        self._slots_of: dict[PeerId, dict[str, _Crossing]] = {}
        self._idle: dict[_Crossing, None] = {}

    def __len__(self) -> int:
        return sum(len(track.crossings) for track in self._tracks.values())

    # --- tracks ---------------------------------------------------------------------------------

    def publish(
        self,
        peer_id: PeerId,
        worker: int,
        tracks: Sequence[TrackInfo],
        formats: Sequence[TrackFormat],
    ) -> None:
        """A publisher on this worker was answered."""
        made = [
            _Track(peer_id, worker, info, form) for info, form in zip(tracks, formats, strict=True)
        ]
        if made:
            self._tracks_of[peer_id] = made
            self._tracks.update((track.info.track_id, track) for track in made)

    def unpublish(self, peer_id: PeerId) -> list[Sent]:
        """The publisher is gone; its own worker knows."""
        sent: list[Sent] = []
        for track in self._tracks_of.pop(peer_id, ()):
            for crossing in list(track.crossings.values()):
                sent += self._end(crossing, {crossing.to})
            # The same track of a newer transport stays.
            if self._tracks.get(track.info.track_id) is track:
                del self._tracks[track.info.track_id]
        return sent

    def mute(self, command: MuteTrack) -> list[Sent]:
        """To where the track is, and to where it crosses; nobody for an unknown one."""
        track = self._tracks.get(command.track_id)
        if track is None:
            return []
        track.is_muted = command.muted
        return [(worker, command) for worker in (track.worker, *track.crossings)]

    # --- slots ----------------------------------------------------------------------------------

    def point(
        self, peer_id: PeerId, worker: int, mid: str, track_id: TrackId | None, now: float
    ) -> list[Sent]:
        """A slot of a viewer on `worker` is about to be pointed: what must be told before."""
        self._leave(peer_id, mid, now)
        track = self._tracks.get(track_id) if track_id is not None else None
        if track is None or track.worker == worker:
            return []
        sent: list[Sent] = []
        crossing = track.crossings.get(worker)
        if crossing is None:
            crossing = _Crossing(next(self._channels), track, worker)
            track.crossings[worker] = crossing
            sent = list(self._begin(crossing))
        crossing.slots.add((peer_id, mid))
        crossing.idle_since = None
        self._idle.pop(crossing, None)
        self._slots_of.setdefault(peer_id, {})[mid] = crossing
        return sent

    def _begin(self, crossing: _Crossing) -> Iterator[Sent]:
        track, channel = crossing.track, crossing.channel
        yield crossing.to, ImportTrack(channel, track.info, track.format)
        if track.is_muted:
            yield crossing.to, MuteTrack(track.info.track_id, True)
        link = self._link_of(crossing.to)
        yield track.worker, ExportTrack(channel, track.info.track_id, link)

    def forget_viewer(self, peer_id: PeerId, now: float) -> None:
        """The viewer is gone, and with him his slots."""
        for mid in list(self._slots_of.get(peer_id, ())):
            self._leave(peer_id, mid, now)

    def _leave(self, peer_id: PeerId, mid: str, now: float) -> None:
        slots = self._slots_of.get(peer_id)
        crossing = slots.pop(mid, None) if slots is not None else None
        if not slots:
            self._slots_of.pop(peer_id, None)
        if crossing is None:
            return
        crossing.slots.discard((peer_id, mid))
        if not crossing.slots:
            crossing.idle_since = now
            self._idle[crossing] = None

    # --- workers and time -----------------------------------------------------------------------

    def lose(self, worker: int) -> list[Sent]:
        """A worker is gone; those at the other ends of its crossings are told."""
        crossings = [each for track in self._tracks.values() for each in track.crossings.values()]
        sent: list[Sent] = []
        for crossing in crossings:
            if worker in (crossing.to, crossing.track.worker):
                sent += self._end(crossing, {crossing.to, crossing.track.worker} - {worker})
        return sent

    def next_deadline(self) -> float | None:
        """When a crossing that nobody uses has lingered long enough."""
        idle = (each.idle_since for each in self._idle)
        return min((since + LINGER_S for since in idle if since is not None), default=None)

    def handle_timeout(self, now: float) -> list[Sent]:
        """End what nobody uses."""
        over = [
            each
            for each in self._idle
            if each.idle_since is not None and each.idle_since + LINGER_S <= now
        ]
        return [
            told
            for crossing in over
            for told in self._end(crossing, {crossing.to, crossing.track.worker})
        ]

    def _end(self, crossing: _Crossing, told: Iterable[int]) -> list[Sent]:
        crossing.track.crossings.pop(crossing.to, None)
        self._idle.pop(crossing, None)
        for peer_id, mid in crossing.slots:
            slots = self._slots_of.get(peer_id, {})
            slots.pop(mid, None)
            if not slots:
                self._slots_of.pop(peer_id, None)
        crossing.slots.clear()
        return [(worker, StopRelay(crossing.channel)) for worker in sorted(told)]

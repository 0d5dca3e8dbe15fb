"""What every viewer's slots show: applies the assignment of `signaling.slots` to each downlink.

A guest taking a seat changes a slot of every viewer: the work is done in slices, and viewers with
equal slots share one assignment.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final, NamedTuple

from media.seam import LayerName, PeerId, SlotInfo, SlotSize, TrackId
from signaling import slots as slot_core
from signaling.ids import Subject
from signaling.media_link import MediaLink
from signaling.media_owner import MediaOwner
from signaling.protocol import SlotAssigned, Slots
from signaling.quality import TransportQuality
from signaling.slots import LiveTrack
from signaling.tasks import TaskSet
from signaling.views import SlotMap

log = logging.getLogger(__name__)

SLICE: Final = 128
"""Downlinks refilled between two turns of the loop: some 5 ms."""

_Shared = dict[tuple[tuple[SlotInfo, ...], tuple[SlotMap, ...]], tuple[SlotMap, ...]]


class SlotShape(NamedTuple):
    """How a viewer shows a slot, and the best layer wanted there."""

    size: SlotSize
    max_layer: LayerName | None


class Downlink:
    """One playing transport and the map that its viewer knows."""

    def __init__(self, peer_id: PeerId, owner: MediaOwner, slots: tuple[SlotInfo, ...]) -> None:
        self.peer_id = peer_id
        self.owner = owner
        self.slots = slots
        self.map = slot_core.empty_map(slots)
        self.shapes: dict[str, SlotShape] = {}
        """By mid; a slot that is missing was never shaped."""
        self.is_silent = False
        self.quality = TransportQuality(peer_id, "play")

    @property
    def subject(self) -> Subject:
        return self.owner.who.subject

    def generation_of(self, mid: str) -> int | None:
        return next((entry.generation for entry in self.map if entry.mid == mid), None)


class Downlinks:
    """Every downlink of one room on this node."""

    def __init__(self, link: MediaLink, tasks: TaskSet) -> None:
        self._link = link
        self._tasks = tasks
        self._by_peer: dict[PeerId, Downlink] = {}
        self._tracks: tuple[LiveTrack, ...] = ()
        self._is_refilling = False
        self._has_changed = False

    def __len__(self) -> int:
        return len(self._by_peer)

    def peer_ids(self) -> tuple[PeerId, ...]:
        return tuple(self._by_peer)

    def get(self, peer_id: PeerId) -> Downlink | None:
        return self._by_peer.get(peer_id)

    def of_conn(self, conn: str) -> list[Downlink]:
        return [down for down in self._by_peer.values() if conn and down.owner.conn == conn]

    def without_socket(self) -> list[Downlink]:
        """WHEP players."""
        return [down for down in self._by_peer.values() if down.owner.is_http]

    def add(self, down: Downlink) -> None:
        """Take a new viewer in and fill its slots; the caller tells it the full map after."""
        self._by_peer[down.peer_id] = down
        self._refill(down, {}, is_told=False)

    def remove(self, peer_id: PeerId) -> Downlink | None:
        return self._by_peer.pop(peer_id, None)

    def tell_map(self, down: Downlink) -> None:
        """The full map: after `play` and after a resume."""
        down.owner.tell(Slots(peer_id=down.peer_id, slots=down.map))

    def shape(self, down: Downlink, mid: str, shape: SlotShape) -> None:
        """The viewer shows a slot in another way; unknown slots and repeats change nothing."""
        if down.shapes.get(mid) == shape or all(slot.mid != mid for slot in down.slots):
            return
        down.shapes[mid] = shape
        self._link.shape_slot(down.peer_id, mid, shape.size, shape.max_layer)

    def show(self, tracks: tuple[LiveTrack, ...]) -> None:
        """These tracks are on stage now; every viewer follows within some turns of the loop."""
        if tracks == self._tracks:
            return
        self._tracks = tracks
        self._has_changed = True
        if not self._is_refilling:
            self._is_refilling = True
            self._tasks.spawn(self._refill_all(), "refill")

    async def _refill_all(self) -> None:
        try:
            while self._has_changed:
                self._has_changed = False
                await self._refill_once()
        finally:
            self._is_refilling = False

    async def _refill_once(self) -> None:
        # What may change at the `sleep`: viewers come (filled by `add` with the newest tracks)
        # and go (skipped), and tracks change again (then everybody is gone through once more).
        shared: _Shared = {}
        tracks = self._tracks
        everybody = list(self._by_peer.values())
        for start in range(0, len(everybody), SLICE):
            for down in everybody[start : start + SLICE]:
                if down.peer_id in self._by_peer:
                    self._refill(down, shared, is_told=True)
            await asyncio.sleep(0)
            if self._tracks is not tracks:
                return

    def _refill(self, down: Downlink, shared: _Shared, *, is_told: bool) -> None:
        before, down.map = down.map, self._assign(down, shared)
        for entry in slot_core.changes(before, down.map):
            track_id = None if entry.track_id is None else TrackId(entry.track_id)
            self._link.point_slot(down.peer_id, entry.mid, track_id, entry.generation)
            if is_told:
                down.owner.tell(SlotAssigned(peer_id=down.peer_id, slot=entry))

    def _assign(self, down: Downlink, shared: _Shared) -> tuple[SlotMap, ...]:
        if any(track.subject == down.subject for track in self._tracks):
            return slot_core.assign(down.slots, self._tracks, down.map, down.subject)
        key = (down.slots, down.map)
        result = shared.get(key)
        if result is None:
            result = shared[key] = slot_core.assign(down.slots, self._tracks, down.map, None)
        return result

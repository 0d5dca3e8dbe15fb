"""Leaving out the upper temporal layers of a VP8 stream (RFC 7741 §4.2, TID and Y).

A picture of temporal layer n needs none of a layer above n, so everything above a limit can be left
out between two pictures, at any time. Back up it goes one layer at a time, at a picture of the next
layer that needs none but the base layer (Y), or on a key frame: others may need what was left out.

    TID       0  2  1  2  0  2  1  2      limit 2 -> 0 -> 2 (Y in brackets)
    sent      0  2  1  .  0  .  .  .
    sent      0  . (1) .  0 (2) 1  2
"""

from __future__ import annotations

from typing import Final

from media.rtp import SourcePacket

EVERYTHING: Final = 3
"""The highest TID there is: two bits."""


class Thinning:
    """Decides for one stretch of one source; packets come in order, late ones do not come here.

    `limit` may change at any time. `shed` and `shed_pictures` count what was left out since they
    were last taken. Pictures without TID are of the base layer.
    """

    __slots__ = ("_cap", "_shed_timestamp", "_top", "limit", "shed", "shed_pictures")

    def __init__(self, limit: int, cap: int) -> None:
        """`cap` is what has been let through so far (`EVERYTHING` in an open stretch)."""
        self.limit = limit
        self.shed = 0
        self.shed_pictures = 0
        self._cap = cap
        self._top = 0
        self._shed_timestamp = -1

    @property
    def is_over(self) -> bool:
        """Whether everything passes from now on, and will."""
        return self.limit >= EVERYTHING and self._cap >= self._top and not self.shed

    def sheds(self, packet: SourcePacket, last: SourcePacket) -> bool:
        """Whether to leave out `packet`; `last` is the last one sent. A picture begun is ended."""
        vp8 = packet.vp8
        tid = 0 if vp8 is None else max(vp8.tid, 0)
        self._top = max(self._top, tid)
        if packet.ext_timestamp == last.ext_timestamp:
            return False
        if packet.is_keyframe_start:
            self._cap = self.limit
        self._cap = min(self._cap, self.limit)
        if tid <= self._cap:
            return False
        if vp8 is not None and vp8.is_layer_sync and vp8.starts_picture:
            is_next = tid == self._cap + 1
            if is_next and tid <= self.limit:
                self._cap = tid
                return False
        self.shed += 1
        if packet.ext_timestamp != self._shed_timestamp:
            self._shed_timestamp = packet.ext_timestamp
            self.shed_pictures += 1
        return True

    def take_shed(self) -> tuple[int, int]:
        """Packets and pictures left out since the last call."""
        taken = self.shed, self.shed_pictures
        self.shed = self.shed_pictures = 0
        return taken

"""What of the fan-out waits for its turn: audio before video, a bounded portion a turn.

A key frame of 60 packets for 200 viewers is a tenth of a second of work. Done in one go it would
hold up the voice of the same host, every other room, and signaling. So it is cut by viewers:

    packets of a batch x followers  ->  portion | portion | portion     one a turn of the loop

What arrives between two turns is read at once; audio overtakes. Video stays in order of arrival,
whatever its source: a slot that changes from one source to another must not see them crossed.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from media.layer import Layer
from media.rtp import SourcePacket
from media.viewer import ViewerSlot

TURN_DELIVERIES: Final = 1_000
"""Packets times viewers in one turn: 4 to 9 ms of work, well below the 20 ms between two audio
packets, and room for a usual frame of 1.2 Mbit/s to 200 viewers. A smaller turn would cost more,
since bodies are built anew in each: all turns of a key frame cost 9 % more than one go."""
MAX_DELIVERIES: Final = 50_000
"""Waiting at most, some 0.4 s of work. Who sends more than can be forwarded is slowed then by work
before reading, so that the kernel's buffer fills and drops, as without any backlog."""


@dataclass(slots=True)
class Portion:
    """Packets that arrived together, and who followed their layer then and has not got them."""

    layer: Layer
    packets: list[SourcePacket]
    slots: list[ViewerSlot]


class Backlog:
    """Two queues. `deliveries` is what waits in both (packets times viewers)."""

    __slots__ = ("_audio", "_turn_deliveries", "_video", "deliveries")

    def __init__(self, turn_deliveries: int = TURN_DELIVERIES) -> None:
        self._turn_deliveries = turn_deliveries
        self._audio: deque[Portion] = deque()
        self._video: deque[Portion] = deque()
        self.deliveries = 0

    @property
    def is_full(self) -> bool:
        return self.deliveries > MAX_DELIVERIES

    def may_pass(self, layer: Layer, deliveries: int) -> bool:
        """Whether so much may be sent at once: little enough, and nothing it must stay behind."""
        queue = self._video if layer.source.is_video else self._audio
        return not queue and deliveries <= self._turn_deliveries

    def put(self, portion: Portion) -> None:
        """Let it wait behind what waits already."""
        (self._video if portion.layer.source.is_video else self._audio).append(portion)
        self.deliveries += len(portion.packets) * len(portion.slots)

    def take(self) -> Portion | None:
        """The work of one turn, at least one viewer's; None when nothing waits."""
        queue = self._audio or self._video
        if not queue:
            return None
        waiting = queue[0]
        count = max(1, self._turn_deliveries // len(waiting.packets))
        if count >= len(waiting.slots):
            taken = queue.popleft()
        else:
            taken = Portion(waiting.layer, waiting.packets, waiting.slots[:count])
            del waiting.slots[:count]
        self.deliveries -= len(taken.packets) * len(taken.slots)
        return taken

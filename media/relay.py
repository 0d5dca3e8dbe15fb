"""Tracks between media workers, as the plane sees them: out to others, in from others.

published here:    packets --> Exports --> link --> the other worker      (one stream a worker)
published there:   link --> Imports --> switchboard --> slots             (as any track)
key frames:        slots --> switchboard --> Imports --> link --> Exports --> publisher
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from media.exports import Exports, SendFrames
from media.imports import Imports
from media.layer import Layer
from media.publisher import Publisher
from media.relay_frames import Frame, Kind
from media.rtp import SourcePacket
from media.seam import ExportTrack, ImportTrack, PeerId, StopRelay
from media.switchboard import Switchboard


def no_links(link: str, data: bytes) -> None:
    """For a plane that is alone."""


class Relay:
    """Part of `MediaPlane`. Drive `handle_timeout` by `next_deadline`."""

    def __init__(
        self,
        switchboard: Switchboard,
        send: SendFrames,
        *,
        wall_offset_s: float,
        randbits: Callable[[int], int],
    ) -> None:
        self._switchboard = switchboard
        self._exports = Exports(send, wall_offset_s)
        self._imports = Imports(send, wall_offset_s=wall_offset_s, randbits=randbits)
        self.exported = self._exports.layers
        """Layers that go elsewhere, too: read it before calling `forward`."""

    @property
    def imported(self) -> int:
        """Tracks of other workers."""
        return len(self._imports)

    def handle_command(self, command: ExportTrack | ImportTrack | StopRelay, now: float) -> bool:
        """False when it has no effect: a race with a departure."""
        match command:
            case ExportTrack():
                track = self._switchboard.track(command.track_id)
                if track is None:
                    return False
                self._exports.add(command.channel, track, command.link, now)
            case ImportTrack():
                imported = self._imports.add(command)
                if imported is None:
                    return False
                self._switchboard.add_track(imported)
            case StopRelay():
                return self._stop(command.channel)
        return True

    def _stop(self, channel: int) -> bool:
        track = self._imports.remove(channel)
        if track is None:
            return self._exports.remove(channel)
        self._switchboard.remove_track(track)
        return True

    def forward(self, arrived: dict[Layer, list[SourcePacket]]) -> None:
        """Send what arrived here to where it is wanted."""
        self._exports.forward(arrived)

    def receive(self, link: str, frames: Iterable[Frame], now: float) -> None:
        """Take what came over a link."""
        incoming: list[Frame] = []
        for each in frames:
            if each.kind != Kind.KEYFRAME:
                incoming.append(each)
                continue
            layer = self._exports.wants_keyframe(each, now)
            if layer is not None:
                self._switchboard.request_keyframe(layer)
        arrived = self._imports.receive(link, incoming, now)
        for layer in sorted(arrived, key=lambda each: each.source.is_video):  # voices first
            self._switchboard.forward(layer, arrived[layer], now)
        self._awake_deaf(now)

    def _awake_deaf(self, now: float) -> None:
        for layer in self._imports.take_turned_deaf():
            self._switchboard.awake_waiting(layer, now)

    def settle(self, peer_id: PeerId, now: float) -> None:
        """`Switchboard.take_asked` named this peer, and it is no publisher of ours."""
        self._imports.settle(peer_id, now)

    def remove_publisher(self, publisher: Publisher) -> None:
        for track in publisher.tracks:
            self._exports.remove_track(track)

    def next_deadline(self) -> float | None:
        out, back = self._exports.next_deadline(), self._imports.next_deadline()
        if out is None or back is None:
            return back if out is None else out
        return min(out, back)

    def handle_timeout(self, now: float) -> None:
        self._exports.handle_timeout(now)
        self._imports.handle_timeout(now)
        self._awake_deaf(now)

    def totals(self) -> dict[str, int]:
        """`relayed_*` count packets between workers; `imports` and `exports` are tracks."""
        return {
            "exports": len(self._exports),
            "imports": len(self._imports),
            "relayed_out": self._exports.packets,
            "relayed_in": self._imports.packets,
            "relayed_dropped": self._imports.dropped,
        }

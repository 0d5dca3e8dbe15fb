"""Tracks published on another media worker, for the viewers here: sources like any other.

An import has a `SourceTrack` of its own for each layer, so that ring, cached pictures, clock and
requests for key frames are those of any published track; only that nothing is asked for again here
(the worker of the publisher mends losses, and late packets cross, too).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Final

from media.codecs import Codec
from media.errors import RemoteProtocolError
from media.exports import SendFrames
from media.layer import Layer
from media.media_clock import PublisherClock
from media.publisher import PublishedTrack
from media.relay_frames import RELAYED_IDS, Frame, Kind, frame, read_report_untrusted
from media.rtp import SourcePacket
from media.seam import ImportTrack, PeerId
from media.source_track import SourceOptions, SourceTrack

FIRST_SOURCE_ID: Final = 1 << 40
"""Far above those of tracks that are published here."""


MAX_EARLY: Final = 1024
"""Links remembered of channels that are not known yet."""


class _Import:
    """`link` is the way back, None until the first frame came."""

    __slots__ = ("channel", "link", "track")

    def __init__(self, channel: int, track: PublishedTrack) -> None:
        self.channel = channel
        self.track = track
        self.link: str | None = None


class Imports:
    """A machine. Feed `receive`; after a viewer asked for a key frame, `settle`; drive
    `handle_timeout` by `next_deadline`."""

    def __init__(
        self, send: SendFrames, *, wall_offset_s: float, randbits: Callable[[int], int]
    ) -> None:
        self._send = send
        self._wall_offset_s = wall_offset_s
        self._randbits = randbits
        self._source_ids = itertools.count(FIRST_SOURCE_ID)
        self._by_channel: dict[int, _Import] = {}
        self._by_peer: dict[PeerId, _Import] = {}
        self._due: dict[Layer, float] = {}
        self._early: dict[int, str] = {}
        # Sound and picture of one person share a clock, so that lips stay in sync.
        self._clocks: dict[str, PublisherClock] = {}
        self.packets = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._by_channel)

    def add(self, command: ImportTrack) -> PublishedTrack | None:
        """The track as it will be known here; None when the channel is in use."""
        if command.channel in self._by_channel:
            return None
        peer_id = PeerId(f"relay-{command.channel}")
        info, form = command.track, command.format
        codec = Codec(
            info.codec,
            form.payload_type,
            form.clock_rate,
            form.channels,
            parameters=form.parameters,
        )
        owner = info.track_id.rpartition("/")[0]
        clock = self._clocks.setdefault(owner, PublisherClock())
        layers = tuple(
            Layer(rid, SourceTrack(self._options(command, owner), clock))
            for rid in info.rids or ("",)
        )
        track = PublishedTrack(peer_id, info, codec, layers, owner)
        track.has_started = True  # where it is published that is told
        entry = _Import(command.channel, track)
        entry.link = self._early.pop(command.channel, None)
        self._by_channel[command.channel] = self._by_peer[peer_id] = entry
        return track

    def _options(self, command: ImportTrack, owner: str) -> SourceOptions:
        form = command.format
        return SourceOptions(
            source_id=next(self._source_ids),
            kind=command.track.kind,
            codec=command.track.codec,
            clock_rate=form.clock_rate,
            payload_type=form.payload_type,
            block_payload_type=form.block_payload_type,
            extension_ids=RELAYED_IDS,
            can_nack=False,
            local_ssrc=self._randbits(32),
            cname=owner,
            wall_offset_s=self._wall_offset_s,
        )

    def remove(self, channel: int) -> PublishedTrack | None:
        """Forget it; None when it is not there (any more)."""
        self._early.pop(channel, None)
        entry = self._by_channel.pop(channel, None)
        if entry is None:
            return None
        del self._by_peer[entry.track.peer_id]
        for layer in entry.track.layers:
            self._due.pop(layer, None)
        if not any(each.track.cname == entry.track.cname for each in self._by_channel.values()):
            self._clocks.pop(entry.track.cname, None)
        return entry.track

    def receive(  # hot path
        self, link: str, frames: Iterable[Frame], now: float
    ) -> dict[Layer, list[SourcePacket]]:
        """Take what came over a link; returns packets to fan out. Never raises."""
        arrived: dict[Layer, list[SourcePacket]] = {}
        touched: dict[Layer, _Import] = {}
        for each in frames:
            entry = self._by_channel.get(each.channel)
            if entry is None or each.layer >= len(entry.track.layers):
                self._take_early(link, each)
                continue
            entry.link = link
            layer = entry.track.layers[each.layer]
            touched[layer] = entry
            try:
                if each.kind == Kind.PACKET:
                    self.packets += 1
                    packet = layer.source.receive(each.body, now)
                    if packet is not None:
                        arrived.setdefault(layer, []).append(packet)
                elif each.kind == Kind.REPORT:
                    layer.source.handle_sender_report(*read_report_untrusted(each.body), now)
                elif each.kind == Kind.DEAF:
                    layer.source.keyframes.ignores_pli = True
            except RemoteProtocolError:
                self.dropped += 1
        for layer, entry in touched.items():
            self._look(layer, entry, now)
        return arrived

    def _take_early(self, link: str, each: Frame) -> None:
        """Of a channel that is not known yet (the front's word may come after), or no more."""
        if each.kind != Kind.HELLO:
            self.dropped += 1
        elif len(self._early) < MAX_EARLY:
            self._early[each.channel] = link

    def settle(self, peer_id: PeerId, now: float) -> None:
        """Somebody asked an import for a key frame (`peer_id` is its track's)."""
        entry = self._by_peer.get(peer_id)
        if entry is not None:
            for layer in entry.track.layers:
                self._look(layer, entry, now)

    def _look(self, layer: Layer, entry: _Import, now: float) -> None:
        """Whether there is something to ask the publisher's worker for."""
        if entry.link is None:
            return  # the first frame is on its way
        source = layer.source
        asked = source.keyframes.sent
        source.poll_rtcp(now)  # reports would be for a publisher; here they only keep the books
        if source.keyframes.sent != asked:
            index = layer.track.layers.index(layer)
            self._send(entry.link, frame(Kind.KEYFRAME, entry.channel, index))
        due = source.next_deadline()
        if due is None:
            self._due.pop(layer, None)
        else:
            self._due[layer] = due

    def take_turned_deaf(self) -> list[Layer]:
        """Layers that were found to ignore requests for key frames since the last call."""
        if not self._by_channel:
            return []
        layers = (layer for each in self._by_channel.values() for layer in each.track.layers)
        return [layer for layer in layers if layer.take_turned_deaf()]

    def next_deadline(self) -> float | None:
        return min(self._due.values()) if self._due else None

    def handle_timeout(self, now: float) -> None:
        """Ask again for key frames that did not come."""
        for layer in [layer for layer, due in self._due.items() if due <= now]:
            self._look(layer, self._by_peer[layer.track.peer_id], now)

"""Tracks published here that viewers of another worker see: sent there once for all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from media import rtcp
from media.layer import Layer
from media.publisher import PublishedTrack
from media.relay_frames import Frame, Kind, frame, packet_frames, report_body
from media.rtp import SourcePacket

REPORT_INTERVAL_S: Final = 1.0
"""As often as viewers get sender reports: a newcomer's lips are in sync after one."""
REPLAY_AGAIN_S: Final = 2.0
"""The cached pictures of a source that ignores PLIs cross again at most this often."""

SendFrames = Callable[[str, bytes], None]
"""Write whole frames to a link; never blocks, never raises; what does not fit is dropped."""


class _Export:
    __slots__ = ("channel", "link", "replay_allowed_at", "track")

    def __init__(self, channel: int, track: PublishedTrack, link: str) -> None:
        self.channel = channel
        self.track = track
        self.link = link
        self.replay_allowed_at = 0.0


class Exports:
    """A machine. Hand on what arrived by `forward`; drive `handle_timeout` by `next_deadline`.

    `layers` are those somebody wants elsewhere: whoever has none of them pays nothing.
    """

    def __init__(self, send: SendFrames, wall_offset_s: float) -> None:
        self._send = send
        self._wall_offset_s = wall_offset_s
        self._by_channel: dict[int, _Export] = {}
        self.layers: dict[Layer, list[_Export]] = {}
        self._report_due: float | None = None
        self.packets = 0

    def __len__(self) -> int:
        return len(self._by_channel)

    def add(self, channel: int, track: PublishedTrack, link: str, now: float) -> None:
        """Send this track over `link` from now on, as `channel`."""
        if channel in self._by_channel:
            return
        export = self._by_channel[channel] = _Export(channel, track, link)
        for layer in track.layers:
            self.layers.setdefault(layer, []).append(export)
        self._send(link, frame(Kind.HELLO, channel))
        self._report(export, now)
        for layer in track.layers:
            if layer.source.ignores_pli:
                self._show_cached(export, layer, now)
        if self._report_due is None:
            self._report_due = now + REPORT_INTERVAL_S

    def remove(self, channel: int) -> bool:
        """Send it no more; False for a channel that is not there (any more)."""
        export = self._by_channel.pop(channel, None)
        if export is None:
            return False
        for layer in export.track.layers:
            others = [each for each in self.layers[layer] if each is not export]
            if others:
                self.layers[layer] = others
            else:
                del self.layers[layer]
        return True

    def remove_track(self, track: PublishedTrack) -> None:
        """The track is gone."""
        for channel in [each.channel for each in self.layers.get(track.layers[0], ())]:
            self.remove(channel)

    def forward(self, arrived: Mapping[Layer, list[SourcePacket]]) -> None:  # hot path
        """Send what arrived together: one write for each layer and worker."""
        for layer, packets in arrived.items():
            exports = self.layers.get(layer)
            if exports is None or layer.track.is_muted:
                continue
            for export in exports:
                self._send_packets(export, layer, packets)

    def _send_packets(self, export: _Export, layer: Layer, packets: list[SourcePacket]) -> None:
        index = layer.track.layers.index(layer)
        block_payload_type = layer.source.options.block_payload_type
        self.packets += len(packets)
        self._send(export.link, packet_frames(export.channel, index, packets, block_payload_type))

    def wants_keyframe(self, asked: Frame, now: float) -> Layer | None:
        """The layer to ask for a key frame; None when there is none to ask, or no use in asking:
        then the importer is told, and its cached pictures are on their way."""
        export = self._by_channel.get(asked.channel)
        if export is None or asked.layer >= len(export.track.layers):
            return None
        layer = export.track.layers[asked.layer]
        if not layer.source.ignores_pli:
            return layer
        self._show_cached(export, layer, now)
        return None

    def _show_cached(self, export: _Export, layer: Layer, now: float) -> None:
        """What shows a newcomer a picture of a source that ignores requests."""
        cached = layer.source.gop.packets
        if cached and now >= export.replay_allowed_at and not layer.track.is_muted:
            export.replay_allowed_at = now + REPLAY_AGAIN_S
            self._send_packets(export, layer, cached)
        index = layer.track.layers.index(layer)
        self._send(export.link, frame(Kind.DEAF, export.channel, index))

    def next_deadline(self) -> float | None:
        return self._report_due

    def handle_timeout(self, now: float) -> None:
        """Report clocks."""
        if self._report_due is None or now < self._report_due:
            return
        for export in self._by_channel.values():
            self._report(export, now)
        self._report_due = now + REPORT_INTERVAL_S if self._by_channel else None

    def _report(self, export: _Export, now: float) -> None:
        """What is captured now by our clock; an importer shares that clock, but for a moment."""
        for index, layer in enumerate(export.track.layers):
            clock = layer.source.clock
            timestamp = clock.timestamp_at(now) if clock.is_exact else None
            if timestamp is not None:
                body = report_body(rtcp.ntp64(now + self._wall_offset_s), timestamp)
                self._send(export.link, frame(Kind.REPORT, export.channel, index, body))

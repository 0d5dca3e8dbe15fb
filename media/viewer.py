"""A viewer's side: one transport and its slots, each fed from the track it is pointed at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from media.codecs import Codec, find_red
from media.downlink import Downlink, OutStream
from media.feedback import read_feedback_untrusted
from media.forwarder import Feed
from media.layer import MAX_LAYERS, Layer
from media.peer import Peer
from media.publisher import PublishedTrack
from media.rate_meter import RateMeter
from media.rtcp import RtcpReceiverInfo
from media.seam import Kind, LayerName, PeerId, SlotSize
from media.transport import PeerTransport


@dataclass(frozen=True, slots=True)
class Budget:
    """What the viewer's bandwidth allows a slot: no layer above `layer` (an index, None: nothing is
    sent), no temporal layer above `max_temporal` (None: all)."""

    layer: int | None
    max_temporal: int | None


UNLIMITED: Final = Budget(MAX_LAYERS - 1, None)


class ViewerSlot:
    """A receive-only place: what it takes, what feeds it, and how far the assignment got.

    `track` is what it is pointed at, `codec` the viewer's format for it, `layer` the layer of it
    that is sent or waited for. `is_live` turns true with the first forwarded packet of the present
    `generation`. `replay_allowed_at` (monotonic s) limits replays for lost pictures. `offered_by`
    are the layers among whose followers it stands: `layer`, and while a switch is pending the old
    one too. `rate` measures what is sent.
    """

    __slots__ = (
        "budget", "codec", "codecs", "generation", "is_live", "is_paused", "kind", "layer",
        "max_layer", "mid", "offered_by", "rate", "replay_allowed_at", "size", "stream", "track",
        "viewer",
    )  # fmt: skip

    def __init__(
        self, viewer: Viewer, mid: str, kind: Kind, codecs: tuple[Codec, ...], stream: OutStream
    ) -> None:
        self.viewer = viewer
        self.mid = mid
        self.kind: Kind = kind
        self.codecs = codecs
        self.stream = stream
        self.track: PublishedTrack | None = None
        self.codec: Codec | None = None
        self.layer: Layer | None = None
        self.generation = 0
        self.is_live = False
        self.is_paused = False
        self.size: SlotSize = "big"
        self.max_layer: LayerName | None = None
        self.budget = UNLIMITED
        self.offered_by: tuple[Layer, ...] = ()
        self.replay_allowed_at = 0.0
        self.rate = RateMeter()

    @property
    def is_waiting(self) -> bool:
        """Whether the first packet (video: key frame) of `layer` has yet to go out."""
        layer = self.layer
        return layer is not None and self.stream.forwarder.awaited_source == layer.source_id

    @property
    def shown(self) -> Layer | None:
        """The layer of the present track that is being sent, None while there is none."""
        segment = self.stream.forwarder.segment
        if segment is None or self.track is None:
            return None
        return self.track.layer_of(segment.source_id)

    def point(self, track: PublishedTrack | None, codec: Codec | None, generation: int) -> None:
        """Take another track as `codec` (the viewer's format for it), or nothing; `follow` a layer
        of it next."""
        self.generation = generation
        self.is_live = False
        self.track, self.codec = (None, None) if codec is None else (track, codec)
        if self.track is None:
            self.layer = None
            self.stream.point(None)

    def choose(self, layer: int | None, max_temporal: int | None) -> None:
        """Set what the viewer's bandwidth allows (see `Budget`)."""
        self.budget = Budget(layer, max_temporal)

    def follow(self, layer: Layer, max_temporal: int | None) -> None:
        """Get the track from this layer of it, without temporal layers above `max_temporal`.

        Until its key frame the layer shown goes on; if that is a higher one, with its base layer
        alone, for it is too much."""
        track, codec = self.track, self.codec
        assert track is not None, "a layer is followed of a track"
        assert codec is not None, "a track comes with its codec"
        self.layer = layer
        red = find_red(codec, self.codecs) if track.codec.name == "red" else None
        self.stream.point(
            Feed(
                source_id=layer.source_id,
                payload_type=codec.payload_type,
                rtx_payload_type=codec.rtx_payload_type,
                clock_rate=codec.clock_rate,
                cname=track.cname,
                red_payload_type=red.payload_type if red is not None else None,
                clock=layer.source.clock,
            )
        )
        shown = self.shown
        is_down = shown is not None and track.layers.index(shown) > track.layers.index(layer)
        self.stream.forwarder.limit(max_temporal, meanwhile=0 if is_down else max_temporal)

    def apply_pause(self) -> None:
        """Make the forwarder follow the slot's pause, size and budget, and the track's mute."""
        forwarder = self.stream.forwarder
        is_paused = self.is_paused or self.size == "hidden" or self.budget.layer is None
        is_paused = is_paused or (self.track is not None and self.track.is_muted)
        if is_paused and not forwarder.is_paused:
            self.stream.pause()
        elif forwarder.is_paused and not is_paused:
            self.stream.resume()


class Viewer(Peer):
    """One playing peer. `slots` are keyed by mid; `downlink` is what the fan-out sees of it."""

    def __init__(self, peer_id: PeerId, transport: PeerTransport) -> None:
        super().__init__(peer_id, transport)
        self.downlink = Downlink()
        self.slots: dict[str, ViewerSlot] = {}
        self.nacks_in = 0
        self.plis_in = 0

    def measure(self, now: float) -> None:
        """Measure what the slots are sent; about once a second."""
        for slot in self.slots.values():
            slot.rate.sample(slot.stream.payload_bytes, now)

    def slot_of(self, ssrc: int) -> ViewerSlot | None:
        """The slot whose media or RTX stream has this SSRC."""
        stream = self.downlink.stream_of(ssrc)
        return self.slots.get(stream.mid) if stream is not None else None

    def receive_rtcp(
        self,
        data: bytes,
        *,
        compact_now: int,
        on_nack: Callable[[OutStream, list[int]], None],
        on_keyframe: Callable[[ViewerSlot], None],
        on_report: Callable[[OutStream, RtcpReceiverInfo], None],
        on_estimate: Callable[[int], None],
    ) -> None:
        """Take one SRTCP datagram: reports and estimates are kept and handed on, requests, too.

        `compact_now` is the middle of our NTP time now (RFC 3550 §6.4.1)."""
        feedback = self.open_rtcp(data, read_feedback_untrusted)
        if feedback is None:
            return
        streams = self.downlink.streams
        for report in feedback.reports:
            stream = streams.get(report.ssrc)
            if stream is not None:
                stream.handle_report(report, compact_now)
                on_report(stream, report)
        if feedback.estimate_bps is not None:
            self.downlink.estimate_bps = feedback.estimate_bps
            on_estimate(feedback.estimate_bps)
        for ssrc, lost in feedback.nacks:
            self.nacks_in += 1
            stream = streams.get(ssrc)
            if stream is not None:
                on_nack(stream, lost)
        for ssrc in feedback.wanted:
            self.plis_in += 1
            slot = self.slot_of(ssrc)
            if slot is not None:
                on_keyframe(slot)

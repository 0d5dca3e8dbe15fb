"""The switchboard: which track feeds which slot, and everything that follows from it.

    point / pause / mute ---> slots ---> key frame asked for, or cached pictures replayed
    packets of a track -----> fan-out ---> a slot that went live is told, its clock reported

A slot follows its old track until the new one's first key frame (DESIGN 3.4), so for that while it
hangs on both.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

from media import rtcp
from media.backlog import TURN_DELIVERIES, Backlog, Portion
from media.codecs import find_match
from media.downlink import OutStream
from media.fanout import FanOutCounters, RunSender, fan_out, fan_out_replay
from media.forwarder import Segment
from media.ice import Address
from media.layer import TICK_S, Layer
from media.layer_choice import wanted_layers
from media.media_clock import MediaClock
from media.publisher import PublishedTrack, Publisher
from media.ring import RetransmissionRing
from media.rtp import SourcePacket
from media.seam import (
    Event,
    PeerId,
    PointSlot,
    ShapeSlot,
    SlotLive,
    SlotUnsupported,
    TrackEnded,
    TrackId,
    TrackStarted,
)
from media.srtp import OutBuffer
from media.viewer import Viewer, ViewerSlot

REPLAY_INTERVAL_S: Final = 0.01
REPLAY_PACKETS: Final = 48
"""Per interval: 1.1 kB x 48 / 10 ms = 42 Mbit/s, a GOP of 2 s at 1.5 Mbit/s in 70 ms."""

REPLAY_AGAIN_S: Final = 2.0
"""A viewer who lost the picture of a source that ignores PLIs gets the cache again at most this
often: about one group of pictures of OBS and FFmpeg."""
FRESH_S: Final = 1.0
"""A newcomer gets cached pictures of this age at once. They reach the present before the key frame
that it would wait for otherwise: a source is asked for one a second at most, and needs a round
trip."""


class Switchboard:
    """Part of `MediaPlane`: `emit` queues an event, `transmit` a protected RTCP datagram; media
    goes straight to `sender`.

    `wall_offset_s` is wall minus monotonic time. Drive `handle_timeout` by `next_deadline`.
    """

    def __init__(
        self,
        *,
        sender: RunSender,
        emit: Callable[[Event], None],
        transmit: Callable[[bytes, Address], None],
        wall_offset_s: float,
        turn_deliveries: int = TURN_DELIVERIES,
    ) -> None:
        self._sender = sender
        self._emit = emit
        self._transmit = transmit
        self._wall_offset_s = wall_offset_s
        self._buffer = OutBuffer()
        self._backlog = Backlog(turn_deliveries)
        self.counters = FanOutCounters()
        self._tracks: dict[TrackId, PublishedTrack] = {}
        self._layers: dict[int, Layer] = {}
        self._followers: dict[Layer, dict[ViewerSlot, None]] = {}
        self._active: dict[Layer, None] = {}
        self._layers_due: float | None = None
        self._slot_of_stream: dict[OutStream, ViewerSlot] = {}
        self._replaying: dict[ViewerSlot, None] = {}
        self._replay_due: float | None = None
        self._asked: dict[PeerId, None] = {}

    @property
    def track_count(self) -> int:
        return sum(layer is layer.track.layers[0] for layer in self._layers.values())

    def add_publisher(self, publisher: Publisher) -> None:
        for track in publisher.tracks:
            self.add_track(track)

    def add_track(self, track: PublishedTrack) -> None:
        """A track that slots may be pointed at."""
        self._tracks[track.info.track_id] = track
        for layer in track.layers:
            self._layers[layer.source_id] = layer
            self._followers[layer] = {}

    def add_viewer(self, viewer: Viewer) -> None:
        for slot in viewer.slots.values():
            self._slot_of_stream[slot.stream] = slot

    def ring_of(self, source_id: int) -> RetransmissionRing | None:
        layer = self._layers.get(source_id)
        return layer.source.ring if layer is not None else None

    def clock_of(self, source_id: int) -> MediaClock | None:
        layer = self._layers.get(source_id)
        return layer.source.clock if layer is not None else None

    # --- commands -------------------------------------------------------------------------------

    def point(self, slot: ViewerSlot, command: PointSlot, now: float) -> None:
        """Feed `slot` from another track, or from none."""
        if command.generation < slot.generation:
            return
        track = self._tracks.get(command.track_id) if command.track_id is not None else None
        codec = find_match(track.codec, slot.codecs) if track is not None else None
        slot.point(track, codec, command.generation)
        self._fit(slot, now)
        if track is not None and codec is None:
            self._emit(
                SlotUnsupported(command.peer_id, slot.mid, command.generation, track.codec.name)
            )
        elif slot.shown is not None:
            self._went_on(slot, now)

    def choose(
        self, slot: ViewerSlot, layer: int | None, max_temporal: int | None, now: float
    ) -> None:
        """Follow what the viewer's bandwidth allows the slot (see `viewer.Budget`)."""
        slot.choose(layer, max_temporal)
        self._fit(slot, now)

    def _fit(self, slot: ViewerSlot, now: float) -> None:
        """Give the slot what `wanted_layers` says. A switch of layer is none of track: no event,
        the same generation."""
        slot.apply_pause()
        choice = wanted_layers(slot)
        if choice.layer is not None:
            slot.follow(choice.layer, choice.max_temporal)
        elif slot.track is not None and slot.layer not in slot.track.layers:
            slot.follow(slot.track.layers[0], None)  # so that what comes next is known
        self._offer(slot)
        self.awake(slot, now)

    def _offer(self, slot: ViewerSlot) -> None:
        """Let the slot be offered the packets of its layer, and of the old one while a switch is
        pending, and of no other."""
        segment = slot.stream.forwarder.segment
        old = self._layers.get(segment.source_id) if segment is not None else None
        wanted = tuple(dict.fromkeys(each for each in (slot.layer, old) if each is not None))
        for layer in slot.offered_by:
            if layer not in wanted:
                self._followers_of(layer).pop(slot, None)
        for layer in wanted:
            self._followers_of(layer)[slot] = None
        slot.offered_by = wanted

    def _followers_of(self, layer: Layer) -> dict[ViewerSlot, None]:
        """Everyone whose forwarder may want the layer; none for one that is gone."""
        return self._followers.get(layer, {})

    def _slots_of(self, track: PublishedTrack) -> list[ViewerSlot]:
        """The slots pointed at a track."""
        offered = (slot for layer in track.layers for slot in self._followers_of(layer))
        return [slot for slot in dict.fromkeys(offered) if slot.track is track]

    def awake(self, slot: ViewerSlot, now: float) -> None:
        """Get a waiting slot its first packet: a key frame asked for, or the cached pictures.

        For a viewer who has yet to connect it is asked for already, so that it comes while the
        handshake goes on; the cache then has it.
        """
        layer = slot.layer
        if layer is None or not slot.is_waiting:
            return
        if not layer.source.is_video or slot.stream.replay is not None:
            return
        if not slot.viewer.is_connected:
            if not layer.source.ignores_pli:
                self.request_keyframe(layer)
            return
        shown = slot.shown
        # While another layer shows the present, the past of this one must not be replayed.
        is_shown = shown is not None and shown.is_active
        if is_shown or not self._begin_replay(slot, layer, now):
            self.request_keyframe(layer)

    def lost_picture(self, slot: ViewerSlot, now: float) -> None:
        """The viewer sent a PLI or FIR: what it shows cannot be repaired by retransmission."""
        layer = slot.shown or slot.layer
        if layer is None:
            return
        if not layer.source.ignores_pli:
            self.request_keyframe(layer)
        elif slot.stream.replay is None and now >= slot.replay_allowed_at:
            self._begin_replay(slot, layer, now)

    def request_keyframe(self, layer: Layer) -> None:
        """Somebody needs a key frame; `take_asked` then names the publisher."""
        if layer.source.request_keyframe():
            self._asked[layer.track.peer_id] = None

    def take_asked(self) -> Collection[PeerId]:
        """Publishers for whom there may be feedback to send since the last call."""
        if not self._asked:
            return ()
        asked, self._asked = self._asked, {}
        return asked

    def pause(self, slot: ViewerSlot, is_paused: bool, now: float) -> None:
        """Stop sending on a slot, or resume with the next key frame."""
        slot.is_paused = is_paused
        self._fit(slot, now)

    def shape(self, slot: ViewerSlot, command: ShapeSlot, now: float) -> None:
        """Follow how the viewer shows the slot."""
        slot.size = command.size
        slot.max_layer = command.max_layer
        self._fit(slot, now)

    def track(self, track_id: TrackId) -> PublishedTrack | None:
        return self._tracks.get(track_id)

    def mute(self, track: PublishedTrack, is_muted: bool, now: float) -> None:
        """Stop forwarding a track to everybody, or resume."""
        track.is_muted = is_muted
        # What was captured while muted must reach nobody, not even out of a cache.
        for layer in track.layers:
            layer.source.mute(is_muted)
        for slot in self._slots_of(track):
            self._fit(slot, now)

    def awake_waiting(self, layer: Layer, now: float) -> None:
        """The layer turned out to ignore PLIs: who waits for its key frame gets the cached one."""
        for slot in list(self._followers_of(layer)):
            if slot.layer is layer:
                self.awake(slot, now)

    # --- packets ------------------------------------------------------------------------------

    def forward(  # hot path
        self, layer: Layer, packets: list[SourcePacket], now: float
    ) -> None:
        """Send what arrived together of one layer to everybody who follows it."""
        if not layer.is_active:
            self._layer_came(layer, now)
        if layer.track.is_muted:
            return  # slots that are still leaving it would get it otherwise
        followers = self._followers_of(layer)
        if not followers:
            return
        if self._backlog.may_pass(layer, len(packets) * len(followers)):
            self._fan_out(packets, [slot.stream for slot in followers], now)
            return
        self._backlog.put(Portion(layer, packets, list(followers)))
        while self._backlog.is_full:
            self.take_turn(now)

    @property
    def is_behind(self) -> bool:
        """Whether part of a fan-out waits; then `take_turn` as soon as what came meanwhile is
        read."""
        return self._backlog.deliveries > 0

    def take_turn(self, now: float) -> None:
        """Send the next portion of what waits."""
        portion = self._backlog.take()
        if portion is None or portion.layer.track.is_muted:
            return
        followers = self._followers_of(portion.layer)
        # Who left meanwhile gets no more of it.
        streams = [slot.stream for slot in portion.slots if slot in followers]
        self._fan_out(portion.packets, streams, now)

    def _fan_out(  # hot path
        self, packets: list[SourcePacket], streams: list[OutStream], now: float
    ) -> None:
        switched = fan_out(
            packets,
            streams,
            sender=self._sender,
            buffer=self._buffer,
            stamp=rtcp.ntp24(now + self._wall_offset_s),
            counters=self.counters,
        )
        for stream in switched:
            self._switched(self._slot_of_stream[stream], now)

    def _layer_came(self, layer: Layer, now: float) -> None:
        """The first packet of a layer, or the first after silence."""
        track, is_new = layer.track, not layer.has_started
        layer.begin(now)
        self._active[layer] = None
        if self._layers_due is None:
            self._layers_due = now + TICK_S
        if not track.has_started:
            track.has_started = True
            self._emit(TrackStarted(track.peer_id, track.info))
        if is_new:
            # Learn before the first newcomer comes whether this source answers PLIs at all.
            self.request_keyframe(layer)
        self._refit(track, now)

    def _refit(self, track: PublishedTrack, now: float) -> None:
        """Layers of the track came or went."""
        if len(track.layers) > 1:
            for slot in self._slots_of(track):
                self._fit(slot, now)

    def _tick_layers(self, now: float) -> None:
        for layer in list(self._active):
            if not layer.tick(now):
                self._active.pop(layer, None)
                self._refit(layer.track, now)
        self._layers_due = now + TICK_S if self._active else None

    def _switched(self, slot: ViewerSlot, now: float) -> None:
        """The slot's stream opened a new segment: leave the old track, tell, report the clock."""
        segment = slot.stream.forwarder.segment
        layer = slot.shown
        if segment is None or layer is None:
            return
        self._offer(slot)
        if not slot.is_live:
            self._went_live(slot, layer, segment, segment.first_ext_timestamp)
        self.send_reports(slot.viewer, now)

    def _went_on(self, slot: ViewerSlot, now: float) -> None:
        """Pointed at what it shows already: live at once, with what is captured now."""
        segment, layer = slot.stream.forwarder.segment, slot.shown
        if segment is None or layer is None:
            return
        timestamp = layer.source.clock.timestamp_at(now)
        if timestamp is not None:
            self._went_live(slot, layer, segment, timestamp)

    def _went_live(self, slot: ViewerSlot, layer: Layer, segment: Segment, timestamp: int) -> None:
        """`timestamp` is the source's, unwrapped."""
        slot.is_live = True
        media_time_ms = None
        clock = layer.source.clock
        if clock.is_exact:
            captured = clock.capture_time(timestamp)
            if captured is not None:
                media_time_ms = round((captured + self._wall_offset_s) * 1000)
        self._emit(
            SlotLive(
                slot.viewer.peer_id,
                slot.mid,
                slot.generation,
                (timestamp + segment.timestamp_offset) & 0xFFFFFFFF,
                media_time_ms,
            )
        )

    def send_reports(self, viewer: Viewer, now: float) -> None:
        """Send a viewer the sender reports that are due (RFC 3550 §6.4.1)."""
        sender, address = viewer.transport.srtp_out, viewer.transport.address
        if sender is None or address is None:
            return
        plain = viewer.downlink.poll_reports(now, self._wall_offset_s, self.clock_of)
        if plain is not None:
            protected = sender.protect_rtcp(plain)
            if protected:
                self._transmit(protected, address)

    # --- replay of a cached group of pictures -------------------------------------------------

    def _begin_replay(self, slot: ViewerSlot, layer: Layer, now: float) -> bool:
        """Whether the slot is now served from the cache: of a source that ignores PLIs, or for a
        newcomer to the track one that began so lately that a new key frame could only be later."""
        source = layer.source
        # Who was shown another layer has seen those moments.
        may_be_young = slot.shown is None and source.gop.is_younger(FRESH_S, now)
        if not source.ignores_pli and not may_be_young:
            return False
        if not slot.stream.begin_replay(source.gop):
            return False
        slot.replay_allowed_at = now + REPLAY_AGAIN_S
        self._replaying[slot] = None
        # Not at once: the end of a handshake is still to be sent; what overtakes it is lost.
        self._replay_due = now
        return True

    def next_deadline(self) -> float | None:
        """When the next portion of a replay is due, or the layers are to be looked at."""
        if self._replay_due is None or self._layers_due is None:
            return self._layers_due if self._replay_due is None else self._replay_due
        return min(self._replay_due, self._layers_due)

    def handle_timeout(self, now: float) -> None:
        """Send the next portion of every replay under way, look at the layers."""
        if self._layers_due is not None and now >= self._layers_due:
            self._tick_layers(now)
        if self._replay_due is None or now < self._replay_due:
            return
        self._replay_due = None
        for slot in list(self._replaying):
            self._pump(slot, now)
        self._arm_replay(now)

    def _arm_replay(self, now: float) -> None:
        if self._replaying and self._replay_due is None:
            self._replay_due = now + REPLAY_INTERVAL_S

    def _pump(self, slot: ViewerSlot, now: float) -> None:
        switched = fan_out_replay(
            slot.stream,
            REPLAY_PACKETS,
            sender=self._sender,
            buffer=self._buffer,
            stamp=rtcp.ntp24(now + self._wall_offset_s),
            counters=self.counters,
        )
        if slot.stream.replay is None:
            self._replaying.pop(slot, None)
        if switched:
            self._switched(slot, now)

    # --- departures -----------------------------------------------------------------------------

    def remove_publisher(self, publisher: Publisher) -> None:
        """Its tracks are gone; slots that followed them stay empty until pointed anew."""
        for track in publisher.tracks:
            self.remove_track(track)
            if track.has_started:
                self._emit(TrackEnded(publisher.peer_id, track.info.track_id))

    def remove_track(self, track: PublishedTrack) -> None:
        """A track is gone, and its slots are empty."""
        if self._tracks.get(track.info.track_id) is track:
            del self._tracks[track.info.track_id]
        for layer in track.layers:
            self._remove_layer(layer)
        track.layers = ()  # which point back: rings and pictures would wait for a full collection

    def _remove_layer(self, layer: Layer) -> None:
        self._layers.pop(layer.source_id, None)
        self._active.pop(layer, None)
        for slot in list(self._followers_of(layer)):
            slot.stream.remove_source(layer.source_id)
            if slot.track is layer.track:
                # Nor does the old picture go on, if a switch to this track was pending.
                slot.point(None, None, slot.generation)
            self._offer(slot)
        self._followers.pop(layer, None)

    def remove_viewer(self, viewer: Viewer) -> None:
        """Forget his slots."""
        for slot in viewer.slots.values():
            slot.point(None, None, slot.generation)
            self._offer(slot)
            self._replaying.pop(slot, None)
            self._slot_of_stream.pop(slot.stream, None)
        # Both point back at him: he would wait for a full collection, with his keys and buffers.
        viewer.slots.clear()
        viewer.downlink.streams.clear()

"""The switchboard: which track feeds which slot, and everything that follows from it.

    point / pause / mute ---> slots ---> key frame asked for, or cached pictures replayed
    packets of a track -----> fan-out ---> a slot that went live is told, its clock reported

A slot follows its old track until the new one's first key frame (DESIGN 3.4), so for that while it
hangs on both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from media import rtcp
from media.codecs import find_match
from media.downlink import OutStream
from media.fanout import FanOutCounters, RunSender, fan_out
from media.gop_cache import GopReplay
from media.ice import Address
from media.media_clock import MediaClock
from media.publisher import PublishedTrack, Publisher
from media.ring import RetransmissionRing
from media.rtp import SourcePacket
from media.seam import (
    Event,
    PointSlot,
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
    ) -> None:
        self._sender = sender
        self._emit = emit
        self._transmit = transmit
        self._wall_offset_s = wall_offset_s
        self._buffer = OutBuffer()
        self.counters = FanOutCounters()
        self._tracks: dict[TrackId, PublishedTrack] = {}
        self._sources: dict[int, PublishedTrack] = {}
        self._slot_of_stream: dict[OutStream, ViewerSlot] = {}
        self._replaying: dict[ViewerSlot, None] = {}
        self._replay_due: float | None = None

    @property
    def track_count(self) -> int:
        return len(self._sources)

    def add_publisher(self, publisher: Publisher) -> None:
        for track in publisher.tracks:
            self._tracks[track.info.track_id] = track
            self._sources[track.source_id] = track

    def add_viewer(self, viewer: Viewer) -> None:
        for slot in viewer.slots.values():
            self._slot_of_stream[slot.stream] = slot

    def ring_of(self, source_id: int) -> RetransmissionRing | None:
        track = self._sources.get(source_id)
        return track.source.ring if track is not None else None

    def clock_of(self, source_id: int) -> MediaClock | None:
        track = self._sources.get(source_id)
        return track.source.clock if track is not None else None

    # --- commands -------------------------------------------------------------------------------

    def point(self, slot: ViewerSlot, command: PointSlot, now: float) -> None:
        """Feed `slot` from another track, or from none."""
        if command.generation < slot.generation:
            return
        track = self._tracks.get(command.track_id) if command.track_id is not None else None
        codec = find_match(track.codec, slot.codecs) if track is not None else None
        before = slot.track
        slot.point(track, codec, command.generation)
        self._stop_replay(slot)
        if before is not None and slot.track is not before and not _still_needs(slot, before):
            before.slots.pop(slot, None)
        if track is not None and codec is None:
            self._emit(
                SlotUnsupported(command.peer_id, slot.mid, command.generation, track.codec.name)
            )
        elif track is not None:
            track.slots[slot] = None
            if slot.is_waiting:
                self.awake(slot, now)
            else:
                self._went_live(slot, None)

    def awake(self, slot: ViewerSlot, now: float) -> None:
        """Get a waiting slot its first packet: a key frame asked for, or the cached pictures."""
        track = slot.track
        if track is None or not slot.viewer.is_connected or not slot.is_waiting:
            return
        if not track.source.is_video:
            return
        if track.source.keyframes.ignores_pli and track.source.gop.packets and not track.is_muted:
            slot.replay = GopReplay(track.source.gop)
            self._replaying[slot] = None
            self._pump(slot, now)
            self._arm_replay(now)
        else:
            track.source.request_keyframe()

    def pause(self, slot: ViewerSlot, is_paused: bool, now: float) -> None:
        """Stop sending on a slot, or resume with the next key frame."""
        slot.is_paused = is_paused
        slot.apply_pause()
        if slot.is_waiting:
            self.awake(slot, now)

    def track(self, track_id: TrackId) -> PublishedTrack | None:
        return self._tracks.get(track_id)

    def mute(self, track: PublishedTrack, is_muted: bool, now: float) -> None:
        """Stop forwarding a track to everybody, or resume."""
        track.is_muted = is_muted
        # What was captured while muted must reach nobody, not even out of the cache.
        track.source.gop.clear()
        track.source.ring.clear()
        for slot in list(track.slots):
            slot.apply_pause()
            if slot.is_waiting:
                self.awake(slot, now)

    # --- packets ------------------------------------------------------------------------------

    def forward(  # hot path
        self, track: PublishedTrack, packets: list[SourcePacket], now: float
    ) -> None:
        """Send what arrived together of one track to everybody who follows it."""
        if not track.has_started:
            self._start_track(track)
        streams = [slot.stream for slot in track.slots if slot.replay is None]
        if streams:
            self._send(packets, streams, now)

    def _send(self, packets: list[SourcePacket], streams: list[OutStream], now: float) -> None:
        switched = fan_out(
            packets,
            streams,
            sender=self._sender,
            buffer=self._buffer,
            stamp=rtcp.ntp24(now + self._wall_offset_s),
            counters=self.counters,
        )
        for stream in switched:
            self._switched(self._slot_of_stream[stream], packets, now)

    def _start_track(self, track: PublishedTrack) -> None:
        track.has_started = True
        self._emit(TrackStarted(track.peer_id, track.info))
        # Learn before the first newcomer comes whether this source answers PLIs at all.
        track.source.request_keyframe()

    def _switched(self, slot: ViewerSlot, packets: list[SourcePacket], now: float) -> None:
        """The slot's stream opened a new segment: leave the old track, tell, report the clock."""
        segment = slot.stream.forwarder.segment
        track = slot.track
        if segment is None or track is None or segment.source_id != track.source_id:
            return
        first = next((each for each in packets if each.ext_seq == segment.source_start), None)
        if first is not None:
            self._leave_others(slot, track)
            if not slot.is_live:
                self._went_live(slot, first)
        self.send_reports(slot.viewer, now)

    def _leave_others(self, slot: ViewerSlot, track: PublishedTrack) -> None:
        for other in self._sources.values():
            if other is not track and slot in other.slots:
                del other.slots[slot]

    def _went_live(self, slot: ViewerSlot, first: SourcePacket | None) -> None:
        """`first` is the packet it went live with; None when it never stopped being fed."""
        track, segment = slot.track, slot.stream.forwarder.segment
        if track is None or segment is None:
            return
        slot.is_live = True
        timestamp = first.ext_timestamp if first is not None else None
        media_time_ms = None
        if timestamp is not None and track.source.clock.is_exact:
            captured = track.source.clock.capture_time(timestamp)
            if captured is not None:
                media_time_ms = round((captured + self._wall_offset_s) * 1000)
        outgoing = 0 if timestamp is None else timestamp + segment.timestamp_offset
        self._emit(
            SlotLive(
                slot.viewer.peer_id,
                slot.mid,
                slot.generation,
                outgoing & 0xFFFFFFFF,
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

    def next_deadline(self) -> float | None:
        """When the next portion of a replay is due; None without one."""
        return self._replay_due

    def handle_timeout(self, now: float) -> None:
        """Send the next portion of every replay under way."""
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
        replay = slot.replay
        if replay is None:
            self._replaying.pop(slot, None)
            return
        packets = replay.take(REPLAY_PACKETS)
        if packets:
            self._send(packets, [slot.stream], now)
        if replay.is_done:
            self._stop_replay(slot)

    def _stop_replay(self, slot: ViewerSlot) -> None:
        slot.replay = None
        self._replaying.pop(slot, None)

    # --- departures -----------------------------------------------------------------------------

    def remove_publisher(self, publisher: Publisher) -> None:
        """Its tracks are gone; slots that followed them stay empty until pointed anew."""
        for track in publisher.tracks:
            if self._tracks.get(track.info.track_id) is track:
                del self._tracks[track.info.track_id]
            self._sources.pop(track.source_id, None)
            for slot in track.slots:
                slot.stream.forwarder.remove_source(track.source_id)
                if slot.track is track:
                    slot.track = None
                    self._stop_replay(slot)
            if track.has_started:
                self._emit(TrackEnded(publisher.peer_id, track.info.track_id))

    def remove_viewer(self, viewer: Viewer) -> None:
        """Forget his slots."""
        for slot in viewer.slots.values():
            self._stop_replay(slot)
            self._slot_of_stream.pop(slot.stream, None)
            for track in self._sources.values():
                track.slots.pop(slot, None)


def _still_needs(slot: ViewerSlot, track: PublishedTrack) -> bool:
    """Video goes on with the old track until the new one's key frame."""
    return slot.stream.forwarder.wants(track.source_id)

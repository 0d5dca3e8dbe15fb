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
from media.codecs import find_match
from media.downlink import OutStream
from media.fanout import FanOutCounters, RunSender, fan_out, fan_out_replay
from media.forwarder import Segment
from media.ice import Address
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
        self._followers: dict[int, dict[ViewerSlot, None]] = {}
        self._slot_of_stream: dict[OutStream, ViewerSlot] = {}
        self._replaying: dict[ViewerSlot, None] = {}
        self._replay_due: float | None = None
        self._asked: dict[PeerId, None] = {}

    @property
    def track_count(self) -> int:
        return len(self._sources)

    def add_publisher(self, publisher: Publisher) -> None:
        for track in publisher.tracks:
            self._tracks[track.info.track_id] = track
            self._sources[track.source_id] = track
            self._followers[track.source_id] = {}

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
        slot.point(track, codec, command.generation)
        self._offer(slot)
        if track is not None and codec is None:
            self._emit(
                SlotUnsupported(command.peer_id, slot.mid, command.generation, track.codec.name)
            )
        elif slot.is_waiting:
            self.awake(slot, now)
        elif track is not None:
            self._went_on(slot, track, now)

    def _offer(self, slot: ViewerSlot) -> None:
        """Let the slot be offered the packets of its track, and of the old one while a switch is
        pending, and of no other."""
        segment = slot.stream.forwarder.segment
        old = self._sources.get(segment.source_id) if segment is not None else None
        wanted = tuple(dict.fromkeys(each for each in (slot.track, old) if each is not None))
        for track in slot.offered_by:
            if track not in wanted:
                self._followers_of(track).pop(slot, None)
        for track in wanted:
            self._followers_of(track)[slot] = None
        slot.offered_by = wanted

    def _followers_of(self, track: PublishedTrack) -> dict[ViewerSlot, None]:
        """Everyone whose forwarder may want the track; none for one that is gone."""
        return self._followers.get(track.source_id, {})

    def awake(self, slot: ViewerSlot, now: float) -> None:
        """Get a waiting slot its first packet: a key frame asked for, or the cached pictures."""
        track = slot.track
        if track is None or not slot.viewer.is_connected or not slot.is_waiting:
            return
        if not track.source.is_video or slot.stream.replay is not None:
            return
        if not self._begin_replay(slot, track, now):
            self.request_keyframe(track)

    def lost_picture(self, slot: ViewerSlot, now: float) -> None:
        """The viewer sent a PLI or FIR: what it shows cannot be repaired by retransmission."""
        track = slot.track
        if track is None:
            return
        if not track.source.ignores_pli:
            self.request_keyframe(track)
        elif slot.stream.replay is None and now >= slot.replay_allowed_at:
            self._begin_replay(slot, track, now)

    def request_keyframe(self, track: PublishedTrack) -> None:
        """Somebody needs a key frame; `take_asked` then names the publisher."""
        if track.source.request_keyframe():
            self._asked[track.peer_id] = None

    def take_asked(self) -> Collection[PeerId]:
        """Publishers for whom there may be feedback to send since the last call."""
        if not self._asked:
            return ()
        asked, self._asked = self._asked, {}
        return asked

    def pause(self, slot: ViewerSlot, is_paused: bool, now: float) -> None:
        """Stop sending on a slot, or resume with the next key frame."""
        slot.is_paused = is_paused
        slot.apply_pause()
        self._offer(slot)
        self.awake(slot, now)

    def shape(self, slot: ViewerSlot, command: ShapeSlot, now: float) -> None:
        """Follow how the viewer shows the slot."""
        slot.size = command.size
        slot.max_layer = command.max_layer
        slot.apply_pause()
        self._offer(slot)
        self.awake(slot, now)

    def track(self, track_id: TrackId) -> PublishedTrack | None:
        return self._tracks.get(track_id)

    def mute(self, track: PublishedTrack, is_muted: bool, now: float) -> None:
        """Stop forwarding a track to everybody, or resume."""
        track.is_muted = is_muted
        # What was captured while muted must reach nobody, not even out of a cache.
        track.source.mute(is_muted)
        for slot in list(self._followers_of(track)):
            slot.apply_pause()
            self._offer(slot)
            self.awake(slot, now)

    def awake_waiting(self, track: PublishedTrack, now: float) -> None:
        """The track turned out to ignore PLIs: who waits for its key frame gets the cached one."""
        for slot in list(self._followers_of(track)):
            if slot.track is track:
                self.awake(slot, now)

    # --- packets ------------------------------------------------------------------------------

    def forward(  # hot path
        self, track: PublishedTrack, packets: list[SourcePacket], now: float
    ) -> None:
        """Send what arrived together of one track to everybody who follows it."""
        if not track.has_started:
            self._start_track(track)
        if track.is_muted:
            return  # slots that are still leaving it would get it otherwise
        followers = self._followers_of(track)
        if not followers:
            return
        switched = fan_out(
            packets,
            [slot.stream for slot in followers],
            sender=self._sender,
            buffer=self._buffer,
            stamp=rtcp.ntp24(now + self._wall_offset_s),
            counters=self.counters,
        )
        for stream in switched:
            self._switched(self._slot_of_stream[stream], now)

    def _start_track(self, track: PublishedTrack) -> None:
        track.has_started = True
        self._emit(TrackStarted(track.peer_id, track.info))
        # Learn before the first newcomer comes whether this source answers PLIs at all.
        self.request_keyframe(track)

    def _switched(self, slot: ViewerSlot, now: float) -> None:
        """The slot's stream opened a new segment: leave the old track, tell, report the clock."""
        segment = slot.stream.forwarder.segment
        track = slot.track
        if segment is None or track is None or segment.source_id != track.source_id:
            return
        self._offer(slot)
        if not slot.is_live:
            self._went_live(slot, track, segment, segment.first_ext_timestamp)
        self.send_reports(slot.viewer, now)

    def _went_on(self, slot: ViewerSlot, track: PublishedTrack, now: float) -> None:
        """Pointed at what it follows already: live at once, with what is captured now."""
        segment = slot.stream.forwarder.segment
        timestamp = track.source.clock.timestamp_at(now)
        if segment is not None and timestamp is not None:
            self._went_live(slot, track, segment, timestamp)

    def _went_live(
        self, slot: ViewerSlot, track: PublishedTrack, segment: Segment, timestamp: int
    ) -> None:
        """`timestamp` is the source's, unwrapped."""
        slot.is_live = True
        media_time_ms = None
        if track.source.clock.is_exact:
            captured = track.source.clock.capture_time(timestamp)
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

    def _begin_replay(self, slot: ViewerSlot, track: PublishedTrack, now: float) -> bool:
        """Whether the slot is now served from the cache of a source that ignores PLIs."""
        if not track.source.ignores_pli or not slot.stream.begin_replay(track.source.gop):
            return False
        slot.replay_allowed_at = now + REPLAY_AGAIN_S
        self._replaying[slot] = None
        # Not at once: the end of a handshake is still to be sent; what overtakes it is lost.
        self._replay_due = now
        return True

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
            if self._tracks.get(track.info.track_id) is track:
                del self._tracks[track.info.track_id]
            self._sources.pop(track.source_id, None)
            for slot in list(self._followers_of(track)):
                slot.stream.remove_source(track.source_id)
                if slot.track is track:
                    # Nor does the old picture go on, if a switch to this track was pending.
                    slot.point(None, None, slot.generation)
                self._offer(slot)
            self._followers.pop(track.source_id, None)
            if track.has_started:
                self._emit(TrackEnded(publisher.peer_id, track.info.track_id))

    def remove_viewer(self, viewer: Viewer) -> None:
        """Forget his slots."""
        for slot in viewer.slots.values():
            slot.point(None, None, slot.generation)
            self._offer(slot)
            self._replaying.pop(slot, None)
            self._slot_of_stream.pop(slot.stream, None)

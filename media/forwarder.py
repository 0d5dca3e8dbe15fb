"""The forwarder: any source, rewritten onto one continuous outgoing stream (DESIGN 3.4, 3.7).

Idea. While one source is followed, outgoing = incoming + constant, for sequence number, timestamp
and the VP8 counters. Such a stretch is a `Segment`. A switch (another source, a resume, a hole too
big to repair) ends the segment and opens the next one directly after the last number used.

    source A   ... 100 101 102 |
    source B               .   | 7000 7001 7002 ...      7000 starts a key frame
    outgoing   ...  10  11  12 |   13   14   15 ...

Why it is injective. Within a segment the map is a shift. Segments do not overlap: one opens after
the highest number that any earlier one used, and takes nothing from before its first packet or
after its end. A packet that comes late is let through once, only into a hole of its own segment.
So no outgoing number is used twice, and which source packet it stands for can be computed back
(`locate`) from the short list of segments, without storage per packet.

Temporal layers (`limit`, see `media/thinning.py`) are left out the same way: after packets that
were left out, the stretch goes on as a further segment whose offset is that much smaller. Only
packets that come in order are left out. What is missing keeps its number, whatever its layer turns
out to be: so every hole that a viewer sees can be filled.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Final, Literal

from media.media_clock import MediaClock
from media.rtp import SourcePacket
from media.thinning import EVERYTHING, Thinning

MAX_HOLE: Final = 512
"""Packets. A wider gap is not repaired by retransmission: a new segment (video: key frame)."""
MAX_SEGMENTS: Final = 64
"""Segments kept for NACKs; older ones are outside any retransmission ring. Leaving out every other
picture of 30 a second takes 15 a second."""
_MIN_STEP_S: Final = {"audio": 0.02, "video": 1 / 30}
"""Least time between the last packet of a segment and the first of the next: one frame."""
_MIN_CAPTURED_STEP_S: Final = 0.001
"""The same when capture times say how far apart the two are: layers of one track capture the same
instants, and a frame more at each switch would add up."""
_MAX_DISAGREEMENT_S: Final = 1.0
"""Capture times that differ this much from arrivals are not believed."""
_MAX_STEP_TICKS: Final = 1 << 30
"""Longest step of the outgoing timestamp, so that it never looks like one backwards."""


@dataclass(frozen=True, slots=True)
class Feed:
    """One source as one viewer gets it: the outgoing numbers depend on what he negotiated.

    `cname` is the same for a seat's audio and video, so that the viewer keeps them in sync.
    `rtx_payload_type` is None without RTX. `red_payload_type` is the viewer's RED format for a
    source that sends RED, None when he has none: `payload_type` is his Opus, alone and in RED.
    `clock` is the source's; between two exact ones of one publisher a switch keeps capture times.
    """

    source_id: int
    payload_type: int
    rtx_payload_type: int | None
    clock_rate: int
    cname: str
    red_payload_type: int | None = None
    clock: MediaClock | None = field(default=None, compare=False, repr=False)


class Segment:
    """A stretch of one source: outgoing value = incoming value + offset.

    `out_start` is the first outgoing extended sequence number, `source_start` the first `ext_seq`,
    `first_ext_timestamp` the (incoming) timestamp it begins with. `formats` is the feed's payload
    types in one number: viewers who have it in common get the same payloads. `opening` counts the
    segments that a key frame (audio: a packet) opened; those that go on after packets were left out
    share it with the one before.
    """

    __slots__ = (
        "feed",
        "first_ext_timestamp",
        "formats",
        "keyidx_offset",
        "opening",
        "out_start",
        "picture_id_offset",
        "seq_offset",
        "source_id",
        "source_start",
        "timestamp_offset",
        "tl0picidx_offset",
    )

    def __init__(
        self, feed: Feed, packet: SourcePacket, out_start: int, first_timestamp: int
    ) -> None:
        self.feed = feed
        self.source_id = feed.source_id
        red = feed.red_payload_type
        self.formats = feed.payload_type if red is None else feed.payload_type | (red + 1) << 8
        self.out_start = out_start
        self.source_start = packet.ext_seq
        self.seq_offset = out_start - packet.ext_seq
        self.first_ext_timestamp = packet.ext_timestamp
        self.timestamp_offset = first_timestamp - packet.ext_timestamp
        self.picture_id_offset = 0
        self.tl0picidx_offset = 0
        self.keyidx_offset = 0
        self.opening = 0

    def go_on(self, source_start: int, shed: int, shed_pictures: int) -> Segment:
        """The rest of the stretch from `source_start` on, before which packets were left out."""
        rest = copy(self)
        rest.source_start = source_start
        rest.seq_offset -= shed
        rest.out_start = source_start + rest.seq_offset
        rest.picture_id_offset = (self.picture_id_offset - shed_pictures) & 0x7FFF
        return rest

    @property
    def first_timestamp(self) -> int:
        """The outgoing timestamp of its first packet, as on the wire."""
        return (self.first_ext_timestamp + self.timestamp_offset) & 0xFFFFFFFF


class Forwarder:
    """Decides for each packet of any source whether, and as what, it goes out on one stream.

    Commands: `point`, `limit`, `pause`, `resume`, `restart`, `remove_source`. Then offer it every
    packet of its source(s) with `admit`, or whole runs with `admit_run`, and send what gets a
    segment.
    While a video switch is pending the old source continues until a key frame of the new one
    starts, so both sources must be offered (`wants`). Audio switches at once.

    `first_seq` (take it below 2**15, RFC 3711 §3.3.1) and `first_timestamp` are random numbers of
    the caller. `segment` is the open segment or None.
    """

    __slots__ = (
        "_ahead_ticks", "_expected", "_first_seq", "_first_timestamp", "_is_video", "_last",
        "_last_segment", "_limit", "_limit_meanwhile", "_missing", "_paused", "_segments",
        "_target", "_thinning", "late_drops", "openings", "segment",
    )  # fmt: skip

    def __init__(
        self, *, kind: Literal["audio", "video"], first_seq: int, first_timestamp: int
    ) -> None:
        self._is_video = kind == "video"
        self._first_seq = first_seq
        self._first_timestamp = first_timestamp
        self.segment: Segment | None = None
        self.late_drops = 0
        self._expected = 0  # ext_seq after the highest one sent in the open segment
        self._missing: set[int] = set()  # holes of the open segment that may still be filled
        self._last: SourcePacket | None = None  # the packet with the highest number sent
        self._last_segment: Segment | None = None
        self._segments: list[Segment] = []
        self._target: Feed | None = None
        self._paused = False
        self.openings = 0
        self._limit = self._limit_meanwhile = EVERYTHING
        self._thinning: Thinning | None = None  # while some layers are left out of the open stretch
        self._ahead_ticks = 0  # by which outgoing timestamps run ahead of capture times

    # --- commands ---

    def point(self, feed: Feed | None) -> None:
        """Follow another source, or none. Pointing at the source already followed changes nothing.

        Video goes on with the old source until the new one's key frame, unless that is removed.
        """
        open_segment = self.segment
        if open_segment is not None and feed is not None and open_segment.feed == feed:
            self._target = open_segment.feed
            return
        self._target = feed
        if feed is None or not self._is_video:
            self._close()

    def limit(self, max_temporal: int | None, *, meanwhile: int | None = None) -> None:
        """Leave out temporal layers above `max_temporal` (None: nothing). `meanwhile` is the limit
        of the old source while a switch is pending."""
        self._limit = EVERYTHING if max_temporal is None else max_temporal
        self._limit_meanwhile = EVERYTHING if meanwhile is None else meanwhile
        segment = self.segment
        if segment is None:
            return
        limit = self._limit if segment.feed is self._target else self._limit_meanwhile
        if self._thinning is not None:
            self._thinning.limit = limit
        elif limit < EVERYTHING:
            self._thinning = Thinning(limit, EVERYTHING)

    def pause(self) -> None:
        """Send nothing until `resume`; numbers go on where they stopped."""
        self._paused = True
        self._close()

    def resume(self) -> None:
        """Send again, video from the next key frame on."""
        self._paused = False

    def restart(self) -> None:
        """Begin again with the next key frame of the target, as if nothing had been sent of it."""
        if self.segment is not None and self.segment.feed is self._target:
            self._close()

    def remove_source(self, source_id: int) -> None:
        """The source is gone: forget it, as target too."""
        if self.segment is not None and self.segment.source_id == source_id:
            self._close()
        if self._target is not None and self._target.source_id == source_id:
            self._target = None

    # --- questions ---

    @property
    def target(self) -> Feed | None:
        """What it was last pointed at."""
        return self._target

    @property
    def is_paused(self) -> bool:
        return self._paused

    @property
    def max_temporal(self) -> int | None:
        """The highest temporal layer that is let through, None: all."""
        thinning = self._thinning
        return None if thinning is None or thinning.limit >= EVERYTHING else thinning.limit

    @property
    def awaited_source(self) -> int | None:
        """The source whose key frame (audio: next packet) is waited for, else None."""
        target = self._target
        if target is None or self._paused:
            return None
        if self.segment is not None and self.segment.feed is target:
            return None
        return target.source_id

    def wants(self, source_id: int) -> bool:
        """Whether packets of this source must be offered."""
        if self.segment is not None and self.segment.source_id == source_id:
            return True
        return self.awaited_source == source_id

    # --- packets ---

    def admit(self, packet: SourcePacket) -> Segment | None:
        """The segment to send `packet` by, or None: drop it. Each packet may be offered again."""
        segment = self.segment
        if segment is not None and packet.source_id == segment.source_id:
            # While the same source waits under new numbers (another payload type), fall through.
            if segment.feed is self._target or not packet.is_keyframe_start:
                return self._admit_open(packet, segment)
            if self._target is None or self._target.source_id != packet.source_id:
                return self._admit_open(packet, segment)
        target = self._target
        if target is None or self._paused or packet.source_id != target.source_id:
            return None
        if self._is_video and not packet.is_keyframe_start:
            return None
        return self._open(target, packet)

    def admit_run(self, packets: Sequence[SourcePacket]) -> Segment | None:
        """The segment of a whole run at once, or None: offer them one by one.

        The run must be of one source with consecutive `ext_seq`. This is the usual case of the
        fan-out, and costs the same for one packet or sixty.
        """
        segment = self.segment
        if segment is None or segment.feed is not self._target or self._thinning is not None:
            return None
        first = packets[0]
        if first.source_id != segment.source_id or first.ext_seq != self._expected:
            return None
        self._last = last = packets[-1]
        self._expected = last.ext_seq + 1
        return segment

    def rewrite(self, packet: SourcePacket) -> tuple[int, int] | None:
        """`(outgoing ext_seq, outgoing timestamp)` of one packet, or None: the plain form."""
        segment = self.admit(packet)
        if segment is None:
            return None
        return (
            packet.ext_seq + segment.seq_offset,
            (packet.ext_timestamp + segment.timestamp_offset) & 0xFFFFFFFF,
        )

    def locate(self, out_seq: int) -> tuple[Segment, int] | None:
        """Which source packet stood behind a 16-bit outgoing number: `(segment, ext_seq)`.

        None for numbers not used yet or forgotten. Holes (dropped as late, or never received) are
        located too: the ring may have the packet by now.
        """
        last, last_segment = self._last, self._last_segment
        if last is None or last_segment is None:
            return None
        highest = last.ext_seq + last_segment.seq_offset
        out = highest - ((highest - out_seq) & 0xFFFF)
        for segment in reversed(self._segments):
            if out >= segment.out_start:
                return segment, out - segment.seq_offset
        return None

    # --- inside ---

    def _close(self) -> None:
        self.segment = None
        self._thinning = None
        self._missing.clear()

    def _admit_open(self, packet: SourcePacket, segment: Segment) -> Segment | None:
        ahead = packet.ext_seq - self._expected
        if ahead < 0:
            return self._fill(packet)
        if ahead > MAX_HOLE:
            return self._reopen(packet)
        if ahead:
            segment = self._go_on(segment, self._expected)
            self._note_missing(packet)
        self._expected = packet.ext_seq + 1
        thinning = self._thinning
        if thinning is not None:
            assert self._last is not None, "an open segment began with a packet"
            if thinning.sheds(packet, self._last):
                return None
            segment = self._go_on(segment, packet.ext_seq)
            if thinning.is_over:
                self._thinning = None
        self._last = packet
        self._last_segment = segment
        return segment

    def _fill(self, packet: SourcePacket) -> Segment | None:
        """The segment of a late packet, if it is missing in one of the open stretch."""
        if packet.ext_seq in self._missing:
            self._missing.discard(packet.ext_seq)
            for segment in reversed(self._segments):
                if segment.opening != self.openings:
                    break
                if packet.ext_seq >= segment.source_start:
                    return segment
        self.late_drops += 1
        return None

    def _note_missing(self, packet: SourcePacket) -> None:
        missing = self._missing
        missing.update(range(self._expected, packet.ext_seq))
        if len(missing) > MAX_HOLE:
            for old in sorted(missing)[:-MAX_HOLE]:
                missing.discard(old)

    def _go_on(self, segment: Segment, source_start: int) -> Segment:
        """The open segment from `source_start` on: another one if packets were left out before."""
        thinning = self._thinning
        if thinning is None or not thinning.shed:
            return segment
        rest = self.segment = segment.go_on(source_start, *thinning.take_shed())
        self._keep(rest)
        return rest

    def _keep(self, segment: Segment) -> None:
        self._segments.append(segment)
        if len(self._segments) > MAX_SEGMENTS:
            del self._segments[:-MAX_SEGMENTS]

    def _reopen(self, packet: SourcePacket) -> Segment | None:
        target = self._target
        self._close()
        if target is None or target.source_id != packet.source_id:
            return None
        if self._is_video and not packet.is_keyframe_start:
            return None
        return self._open(target, packet)

    def _open(self, feed: Feed, packet: SourcePacket) -> Segment:
        self._close()
        last, previous = self._last, self._last_segment
        if last is None or previous is None:
            segment = Segment(feed, packet, self._first_seq, self._first_timestamp)
        else:
            out_start = last.ext_seq + previous.seq_offset + 1
            step = self._step(feed, packet, last, previous)
            timestamp = last.peak_timestamp + previous.timestamp_offset + step
            segment = Segment(feed, packet, out_start, timestamp)
            _continue_vp8(segment, packet, last, previous)
        self.openings += 1
        segment.opening = self.openings
        self.segment = self._last_segment = segment
        self._keep(segment)
        if self._limit < EVERYTHING:
            self._thinning = Thinning(self._limit, self._limit)
        self._last = packet
        self._expected = packet.ext_seq + 1
        return segment

    def _step(self, feed: Feed, packet: SourcePacket, last: SourcePacket, previous: Segment) -> int:
        """Ticks from the last packet of the old segment to the first one of the new."""
        arrived_s = packet.arrival - last.arrival
        captured_s = _captured_s(feed, packet, last, previous)
        if captured_s is None or abs(captured_s - arrived_s) > _MAX_DISAGREEMENT_S:
            self._ahead_ticks = 0
            least_s = _MIN_STEP_S["video" if self._is_video else "audio"]
            return min(round(max(arrived_s, least_s) * feed.clock_rate), _MAX_STEP_TICKS)
        due = round(captured_s * feed.clock_rate) - self._ahead_ticks
        step = max(due, round(_MIN_CAPTURED_STEP_S * feed.clock_rate))
        self._ahead_ticks = step - due
        return step


def _captured_s(
    feed: Feed, packet: SourcePacket, last: SourcePacket, previous: Segment
) -> float | None:
    """The time between the captures of two packets of one publisher's sources, None if unknown."""
    new, old = feed.clock, previous.feed.clock
    if new is None or old is None or new is old or not new.agrees_with(old):
        return None
    captured, before = new.capture_time(packet.ext_timestamp), old.capture_time(last.peak_timestamp)
    return None if captured is None or before is None else captured - before


def _continue_vp8(
    segment: Segment, packet: SourcePacket, last: SourcePacket, previous: Segment
) -> None:
    """Let the VP8 counters go on one after the last ones sent (RFC 7741 §4.2)."""
    new, old = packet.vp8, last.vp8 or last.vp8_before
    if new is None or old is None:
        return
    if new.picture_id >= 0 and old.picture_id >= 0:
        sent = old.ext_picture_id + previous.picture_id_offset
        segment.picture_id_offset = (sent + 1 - new.ext_picture_id) & 0x7FFF
    if new.tl0picidx >= 0 and old.tl0picidx >= 0:
        sent = old.tl0picidx + previous.tl0picidx_offset
        segment.tl0picidx_offset = (sent + 1 - new.tl0picidx) & 0xFF
    if new.keyidx >= 0 and old.keyidx >= 0:
        sent = old.keyidx + previous.keyidx_offset
        segment.keyidx_offset = (sent + 1 - new.keyidx) & 0x1F

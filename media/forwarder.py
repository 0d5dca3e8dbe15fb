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
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from media.rtp import SourcePacket

MAX_HOLE: Final = 512
"""Packets. A wider gap is not repaired by retransmission: a new segment (video: key frame)."""
MAX_SEGMENTS: Final = 16
"""Segments kept for NACKs; older ones are far outside any retransmission ring."""
_MIN_STEP_S: Final = {"audio": 0.02, "video": 1 / 30}
"""Least time between the last packet of a segment and the first of the next: one frame."""
_MAX_STEP_TICKS: Final = 1 << 30
"""Longest step of the outgoing timestamp, so that it never looks like one backwards."""


@dataclass(frozen=True, slots=True)
class Feed:
    """One source as one viewer gets it: the outgoing numbers depend on what he negotiated.

    `cname` is the same for a seat's audio and video, so that the viewer keeps them in sync.
    `rtx_payload_type` is None without RTX. `red_payload_type` is the viewer's RED format for a
    source that sends RED, None when he has none: `payload_type` is his Opus, alone and in RED.
    """

    source_id: int
    payload_type: int
    rtx_payload_type: int | None
    clock_rate: int
    cname: str
    red_payload_type: int | None = None


class Segment:
    """A stretch of one source: outgoing value = incoming value + offset.

    `out_start` is the first outgoing extended sequence number, `source_start` the first `ext_seq`,
    `first_ext_timestamp` the (incoming) timestamp it begins with. `formats` is the feed's payload
    types in one number: viewers who have it in common get the same payloads.
    """

    __slots__ = (
        "feed",
        "first_ext_timestamp",
        "formats",
        "keyidx_offset",
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

    @property
    def first_timestamp(self) -> int:
        """The outgoing timestamp of its first packet, as on the wire."""
        return (self.first_ext_timestamp + self.timestamp_offset) & 0xFFFFFFFF


class Forwarder:
    """Decides for each packet of any source whether, and as what, it goes out on one stream.

    Commands: `point`, `pause`, `resume`, `restart`, `remove_source`. Then offer it every packet of
    its source(s) with `admit`, or whole runs with `admit_run`, and send what gets a segment.
    While a video switch is pending the old source continues until a key frame of the new one
    starts, so both sources must be offered (`wants`). Audio switches at once.

    `first_seq` (take it below 2**15, RFC 3711 §3.3.1) and `first_timestamp` are random numbers of
    the caller. `segment` is the open segment or None.
    """

    __slots__ = (
        "_expected",
        "_first_seq",
        "_first_timestamp",
        "_is_video",
        "_last",
        "_last_segment",
        "_missing",
        "_paused",
        "_segments",
        "_target",
        "late_drops",
        "segment",
    )

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
        if segment is None or segment.feed is not self._target:
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
        self._missing.clear()

    def _admit_open(self, packet: SourcePacket, segment: Segment) -> Segment | None:
        ahead = packet.ext_seq - self._expected
        if ahead == 0:
            self._expected += 1
            self._last = packet
            return segment
        if ahead < 0:
            if packet.ext_seq in self._missing:
                self._missing.discard(packet.ext_seq)
                return segment
            self.late_drops += 1
            return None
        if ahead > MAX_HOLE:
            return self._reopen(packet)
        missing = self._missing
        missing.update(range(self._expected, packet.ext_seq))
        if len(missing) > MAX_HOLE:
            for old in sorted(missing)[:-MAX_HOLE]:
                missing.discard(old)
        self._expected = packet.ext_seq + 1
        self._last = packet
        return segment

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
            timestamp = last.peak_timestamp + previous.timestamp_offset + self._step(feed, packet)
            segment = Segment(feed, packet, out_start, timestamp)
            _continue_vp8(segment, packet, last, previous)
        self.segment = self._last_segment = segment
        self._segments.append(segment)
        del self._segments[:-MAX_SEGMENTS]
        self._last = packet
        self._expected = packet.ext_seq + 1
        return segment

    def _step(self, feed: Feed, packet: SourcePacket) -> int:
        assert self._last is not None, "a step needs a packet before it"
        elapsed_s = packet.arrival - self._last.arrival
        least_s = _MIN_STEP_S["video" if self._is_video else "audio"]
        return min(round(max(elapsed_s, least_s) * feed.clock_rate), _MAX_STEP_TICKS)


def _continue_vp8(
    segment: Segment, packet: SourcePacket, last: SourcePacket, previous: Segment
) -> None:
    """Let the VP8 counters go on one after the last ones sent (RFC 7741 §4.2)."""
    new, old = packet.vp8, last.vp8
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

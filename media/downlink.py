"""One viewer's receiving side: his address and keys, and one `OutStream` for each slot.

An `OutStream` is the flat state that the fan-out reads per (packet, subscriber): the forwarder,
the extension layout, SSRCs and counters. `Downlink` adds what belongs to the whole transport:
sender reports for all streams in one datagram, the viewer's reports and estimate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from media import rtcp
from media.forwarder import Feed, Forwarder
from media.gop_cache import GopCache, GopReplay
from media.ice import Address
from media.media_clock import MediaClock
from media.rtp import ABS_SEND_TIME_URI, ExtensionLayout, extension_layout
from media.srtp import OutBuffer
from media.token_bucket import TokenBucket

REPORT_INTERVAL_S: Final = 5.0
"""Sender reports of a steady stream. Switches and clock changes report at once, and that is what
lip sync needs; RFC 3550 §6.2 allows no more often than 5 s at these rates."""
RESENDS_PER_S: Final = 400.0
RESEND_BURST: Final = 200.0
"""Packets. Room for 20 % loss at 2,000 packets a second; a NACK storm gets no more."""


class Protector(Protocol):
    """SRTP for one viewer; `media.srtp.SrtpSender`. `protect_into` returns 0 when it refuses."""

    @property
    def tag_bytes(self) -> int: ...

    def protect_into(self, buffer: OutBuffer, offset: int, length: int, /) -> int: ...

    def protect_rtp(self, data: bytes, /) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OutOptions:
    """What one slot negotiated. `ssrc`, `rtx_ssrc`, `first_*` are random numbers of the caller.

    `extension_ids` maps uri -> id as answered; `mid` is written when its extension is among them.
    `can_nack`: the answer carried rtcp-fb nack for the slot. `rtx_ssrc` None: no RTX.
    """

    mid: str
    kind: Literal["audio", "video"]
    ssrc: int
    rtx_ssrc: int | None
    first_seq: int
    first_timestamp: int
    first_rtx_seq: int
    extension_ids: Mapping[str, int]
    can_nack: bool = True


@dataclass(frozen=True, slots=True)
class OutStats:
    """Counters of one slot since it began. `lost`, `loss` (0..1) and `rtt_s` are the viewer's last
    word; what a retransmission mended counts as lost there."""

    packets: int
    payload_bytes: int
    retransmitted: int
    resend_refused: int
    resend_missing: int
    nacked: int
    late_drops: int
    switches: int
    lost: int
    loss: float
    jitter_ticks: int
    rtt_s: float | None


class OutStream:
    """One slot of one viewer: a continuous outgoing RTP stream.

    Resends. With RTX they go out on their own SSRC with a fresh stamp. Without it a resend has to
    be bit-identical to the packet before (DESIGN 3.7), which a stamp of the moment would break:
    what may be asked for and has no RTX (all sound) therefore carries no abs-send-time and is
    resent as it was. REMB is none the poorer: libwebrtc's looks at pictures alone.
    """

    __slots__ = (
        "can_resend",
        "downlink",
        "forwarder",
        "jitter_ticks",
        "kind",
        "layout",
        "loss",
        "lost",
        "mid",
        "nacked",
        "packets",
        "payload_bytes",
        "replay",
        "report_due",
        "reported_opening",
        "reported_revision",
        "resend_budget",
        "resend_missing",
        "resend_refused",
        "resent_bytes",
        "retransmitted",
        "rtt_s",
        "rtx_seq",
        "rtx_ssrc",
        "ssrc",
        "switches",
    )

    def __init__(self, options: OutOptions, downlink: Downlink) -> None:
        self.downlink = downlink
        self.mid = options.mid
        self.kind = options.kind
        self.ssrc = options.ssrc
        self.rtx_ssrc = options.rtx_ssrc
        self.rtx_seq = options.first_rtx_seq
        self.forwarder = Forwarder(
            kind=options.kind,
            first_seq=options.first_seq,
            first_timestamp=options.first_timestamp,
        )
        self.layout = _layout(options)
        self.can_resend = options.can_nack and (
            options.rtx_ssrc is not None or not self.layout.is_stamped
        )
        self.replay: GopReplay | None = None
        self.resend_budget = TokenBucket(RESENDS_PER_S, RESEND_BURST)
        self.packets = 0
        self.payload_bytes = 0
        self.retransmitted = 0
        self.resend_refused = 0
        self.resent_bytes = 0
        self.resend_missing = 0
        self.nacked = 0
        self.switches = 0
        self.lost = 0
        self.loss = 0.0
        self.jitter_ticks = 0
        self.rtt_s: float | None = None
        self.report_due = 0.0
        self.reported_opening = 0
        self.reported_revision = -1

    def point(self, feed: Feed | None) -> None:
        """Follow another source (see `Forwarder.point`); then see `forwarder.awaited_source`."""
        self.forwarder.point(feed)
        if self.replay is not None and (feed is None or feed.source_id != self.replay.source_id):
            self.replay = None

    def pause(self) -> None:
        """Send nothing until `resume`."""
        self.forwarder.pause()
        self.replay = None

    def resume(self) -> None:
        """Send again from the next key frame on; see `forwarder.awaited_source`."""
        self.forwarder.resume()

    def remove_source(self, source_id: int) -> None:
        """The source is gone."""
        self.forwarder.remove_source(source_id)
        if self.replay is not None and self.replay.source_id == source_id:
            self.replay = None

    def begin_replay(self, cache: GopCache) -> bool:
        """Start from the cached key frame of the target; False when nothing is cached.

        For a newcomer to a source that ignores PLIs, or a viewer of one who lost the picture.
        Then call `fan_out_replay` every few milliseconds while `replay` is not None.
        """
        if cache.packets is None:
            return False
        self.forwarder.restart()
        self.replay = GopReplay(cache)
        return True

    def handle_report(self, report: rtcp.RtcpReceiverInfo, compact_now: int) -> None:
        """A reception report block of the viewer about `ssrc` (RFC 3550 §6.4.1).

        `compact_now` is the middle of our NTP time on the clock of our sender reports.
        """
        self.loss = report.fraction_lost / 256
        # A counter for us: duplicates make the viewer's go back, and it may say anything.
        self.lost = max(self.lost, min(report.packets_lost, self.packets))
        self.jitter_ticks = report.jitter
        if report.lsr:
            round_trip = (compact_now - report.lsr - report.dlsr) & 0xFFFFFFFF
            # Over a minute is a wrapped negative or nonsense.
            if round_trip < 60 << 16:
                self.rtt_s = round_trip / 65536

    def stats(self) -> OutStats:
        return OutStats(
            packets=self.packets,
            payload_bytes=self.payload_bytes,
            retransmitted=self.retransmitted,
            resend_refused=self.resend_refused,
            resend_missing=self.resend_missing,
            nacked=self.nacked,
            late_drops=self.forwarder.late_drops,
            switches=self.switches,
            lost=self.lost,
            loss=self.loss,
            jitter_ticks=self.jitter_ticks,
            rtt_s=self.rtt_s,
        )


def _layout(options: OutOptions) -> ExtensionLayout:
    ids = dict(options.extension_ids)
    if options.can_nack and options.rtx_ssrc is None:
        ids.pop(ABS_SEND_TIME_URI, None)
    return extension_layout(ids, options.mid)


ClockOf = Callable[[int], MediaClock | None]
"""The clock of a source by its id, None when it is gone."""


class Downlink:
    """A viewer's transport. `protector` is None until DTLS is done; `address` follows ICE.

    `estimate_bps` is the viewer's last REMB.
    """

    __slots__ = ("address", "estimate_bps", "protector", "streams")

    def __init__(self, protector: Protector | None = None, address: Address = ("", 0)) -> None:
        self.protector = protector
        self.address = address
        self.streams: dict[int, OutStream] = {}  # by outgoing SSRC
        self.estimate_bps: int | None = None

    def add_stream(self, options: OutOptions) -> OutStream:
        stream = OutStream(options, self)
        self.streams[stream.ssrc] = stream
        return stream

    def stream_of(self, ssrc: int) -> OutStream | None:
        """The stream with this media or RTX SSRC (feedback may name either)."""
        stream = self.streams.get(ssrc)
        if stream is not None:
            return stream
        return next((each for each in self.streams.values() if each.rtx_ssrc == ssrc), None)

    def poll_reports(self, now: float, wall_offset_s: float, clock_of: ClockOf) -> bytes | None:
        """One compound RTCP datagram with the sender reports that are due, or None.

        Due are streams that opened a new segment, whose source's clock changed its basis, or whose
        last report is `REPORT_INTERVAL_S` old. Call after each fan-out that returned switched
        streams, and about once a second. The timestamp of a report is the one that the forwarder
        gives to a frame captured `now`, so audio and video of a seat agree.
        """
        reports = names = b""
        for stream in self.streams.values():
            report = _sender_report(stream, now, wall_offset_s, clock_of)
            if report is not None:
                reports += report
                segment = stream.forwarder.segment
                assert segment is not None, "a report was made from an open segment"
                names += rtcp.build_sdes(stream.ssrc, segment.feed.cname)
        return reports + names or None


def _sender_report(
    stream: OutStream, now: float, wall_offset_s: float, clock_of: ClockOf
) -> bytes | None:
    segment = stream.forwarder.segment
    if segment is None or stream.packets == 0:
        return None
    clock = clock_of(segment.source_id)
    if clock is None:
        return None
    is_new = (segment.opening, clock.revision) != (
        stream.reported_opening,
        stream.reported_revision,
    )
    if not is_new and now < stream.report_due:
        return None
    timestamp = clock.timestamp_at(now)
    if timestamp is None:
        return None
    stream.report_due = now + REPORT_INTERVAL_S
    stream.reported_opening = segment.opening
    stream.reported_revision = clock.revision
    return rtcp.build_sender_report(
        stream.ssrc,
        rtcp.ntp64(now + wall_offset_s),
        timestamp + segment.timestamp_offset,
        stream.packets,
        stream.payload_bytes,
    )

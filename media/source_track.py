"""One published track: decrypted RTP in, shared `SourcePacket`s and feedback for its sender out.

Everything that is the same for all subscribers happens here, once per received packet: parsing,
unwrapping, deduplication, retransmissions unwrapped (RFC 4588), key frames found, ring and group
of pictures kept, holes NACKed, PLIs merged, reception reported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from media import rtcp
from media.errors import RemoteProtocolError
from media.gop_cache import GopCache
from media.keyframe_requests import KeyframeRequests
from media.media_clock import MediaClock, PublisherClock
from media.nack import NEVER_ASK, NackTracker
from media.payload import Vp8Descriptor, inspect_untrusted
from media.payload.red import RedLayout, parse_red_untrusted
from media.reception import Reception
from media.ring import AUDIO_RING, VIDEO_RING, RetransmissionRing
from media.rtp import (
    ExtensionReader,
    ExtensionValues,
    RtpHeader,
    SequenceUnwrapper,
    SourcePacket,
    Unwrapper,
    parse_rtp_untrusted,
)

REPORT_INTERVAL_S: Final = 1.0
"""Receiver reports and REMB: as often as Chromium sends its own."""
_MAX_LATE_PACKETS: Final = 2048
"""Older packets than this behind the highest are dropped: duplicates are known that far back."""

_Content = tuple[bool, Vp8Descriptor | None, RedLayout | None, ExtensionValues]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOptions:
    """What was negotiated for a published track.

    `payload_type` and `codec` (lower case) are those of the one media format that is forwarded;
    `ssrc` None takes the first one that sends that payload type. `extension_ids` maps uri -> id.
    `block_payload_type` is set when that format is RED: the Opus of its blocks, which may come
    without RED too. `can_nack` / `can_pli`: the answer carried that rtcp-fb. `remb_bps` None sends
    no REMB. `wall_offset_s` is wall time minus monotonic time, the same for the whole process.
    """

    source_id: int
    kind: Literal["audio", "video"]
    codec: str
    clock_rate: int
    payload_type: int
    block_payload_type: int | None = None
    rtx_payload_type: int | None = None
    ssrc: int | None = None
    rtx_ssrc: int | None = None
    extension_ids: Mapping[str, int] = field(default_factory=dict)
    can_nack: bool = True
    can_pli: bool = True
    remb_bps: int | None = None
    local_ssrc: int
    cname: str
    wall_offset_s: float


@dataclass(frozen=True, slots=True)
class SourceStats:
    """Counters since the track began. `lost` are packets that never came, not even again;
    `recovered` came after they were asked for. `loss` (0..1) is the share of first transmissions
    lost between the last two reports; `rtt_s` None is not known yet."""

    packets: int
    payload_bytes: int
    lost: int
    recovered: int
    nacks_sent: int
    plis_sent: int
    keyframes: int
    restarts: int
    jitter_s: float
    ignores_pli: bool
    loss: float
    rtt_s: float | None
    dropped: dict[str, int]


class SourceTrack:
    """A machine. Inputs: `receive`, `handle_sender_report`, `request_keyframe`, and time. After
    any of them, and when the deadline passes, drain `poll_rtcp(now)`, then arm `next_deadline()`.

    `receive` returns the packet to fan out, or None. `ring`, `gop`, `clock` and `payload_bytes`
    (of all that was returned) are for readers.
    """

    def __init__(self, options: SourceOptions, publisher_clock: PublisherClock) -> None:
        self.options = options
        self.source_id = options.source_id
        self.ssrc = options.ssrc
        self.rtx_ssrc = options.rtx_ssrc
        self.is_video = options.kind == "video"
        self.ring = RetransmissionRing(VIDEO_RING if self.is_video else AUDIO_RING)
        self.gop = GopCache()
        self.clock = MediaClock(options.clock_rate, publisher_clock)
        self.keyframes = KeyframeRequests()
        self._nack = NackTracker(None if options.can_nack else NEVER_ASK)
        self._repaired = 0
        self._reception = Reception(options.clock_rate)
        self._reader = ExtensionReader(options.extension_ids)
        self._sequence = SequenceUnwrapper()
        self._timestamps = Unwrapper(32)
        self._picture_ids: dict[int, Unwrapper] = {}
        self._vp8: Vp8Descriptor | None = None
        self._seen: set[int] = set()
        self._keyframe_timestamp = -1
        self._keyframe_count = 0
        self.payload_bytes = 0
        self._report_due: float | None = None
        self._is_muted = False
        self._muted_until = -1
        self._dropped: dict[str, int] = {}

    @property
    def ignores_pli(self) -> bool:
        """Whether asking for a key frame is of no use: not negotiated, or ignored of late."""
        return not self.options.can_pli or self.keyframes.ignores_pli

    # --- inputs ---

    def receive(self, data: bytes, now: float) -> SourcePacket | None:
        """Take one decrypted RTP packet of this track, media or retransmission.

        None: a duplicate, padding, or not ours (counted in `stats().dropped`). Raises
        `RemoteProtocolError` for malformed bytes, which change nothing.
        """
        header = parse_rtp_untrusted(data)
        payload = data[header.payload_start : header.payload_end]
        if header.payload_type == self.options.payload_type:
            return self._receive_media(data, header, payload, now)
        if header.payload_type == self.options.rtx_payload_type:
            return self._receive_rtx(data, header, payload, now)
        if header.payload_type == self.options.block_payload_type:
            return self._receive_media(data, header, payload, now)
        return self._drop("payload_type")

    def handle_sender_report(self, ntp: int, rtp_timestamp: int, now: float) -> None:
        """The sender info of the publisher's report for this SSRC (RFC 3550 §6.4.1)."""
        self._reception.handle_sender_report(ntp, now)
        if self._timestamps.highest >= 0:
            timestamp = self._timestamps.nearest(rtp_timestamp)
            self.clock.handle_sender_report(rtcp.ntp_to_unix_s(ntp), timestamp, now)

    def request_keyframe(self) -> bool:
        """Some viewer needs a key frame; merged and throttled. No effect on audio.

        True when no request was open before: then there is something new to send."""
        if not self.is_video or not self.options.can_pli or self.keyframes.is_wanted:
            return False
        self.keyframes.request()
        return True

    def learn_rtt(self, rtt_s: float) -> None:
        """The publisher's round trip as measured elsewhere; NACKs are spaced by it."""
        self._nack.learn_rtt(rtt_s)

    def mute(self, is_muted: bool) -> None:
        """Keep nothing from now on, or again. What arrived while muted is never kept or returned
        afterwards either, however late its retransmission comes."""
        if is_muted == self._is_muted:
            return
        self._is_muted = is_muted
        self._muted_until = self._sequence.highest
        self.ring.clear()
        self.gop.clear()

    # --- outputs ---

    def next_deadline(self) -> float | None:
        """Earliest of NACK retry, key frame retry and report; None before the first packet."""
        if self.ssrc is None:
            return None
        due = self._report_due
        for other in (self._nack.next_deadline(), self.keyframes.next_deadline()):
            if other is not None and (due is None or other < due):
                due = other
        return due

    def poll_rtcp(self, now: float) -> list[bytes]:
        """Feedback for the publisher that is due now, as RTCP datagrams before SRTCP."""
        ssrc = self.ssrc
        if ssrc is None:
            return []
        local = self.options.local_ssrc
        feedback: list[bytes] = []
        lost = self._nack.take_due(now)
        if lost:
            feedback.append(rtcp.build_nack(local, ssrc, lost))
        if self.keyframes.take_due(now):
            feedback.append(rtcp.build_pli(local, ssrc))
        if self._report_due is not None and now >= self._report_due:
            self._report_due = now + REPORT_INTERVAL_S
            feedback.insert(0, self._report(ssrc, now))
        return [b"".join(feedback)] if feedback else []

    def stats(self) -> SourceStats:
        reception = self._reception
        return SourceStats(
            packets=reception.received,
            payload_bytes=self.payload_bytes,
            lost=max(0, reception.lost - self._repaired),
            recovered=self._nack.recovered,
            nacks_sent=self._nack.requested,
            plis_sent=self.keyframes.sent,
            keyframes=self._keyframe_count,
            restarts=self._sequence.restarts,
            jitter_s=reception.jitter_ticks / self.options.clock_rate,
            ignores_pli=self.keyframes.ignores_pli,
            loss=reception.loss,
            rtt_s=self._nack.rtt_s if self._nack.has_rtt else None,
            dropped=dict(self._dropped),
        )

    # --- inside ---

    def _receive_media(
        self, data: bytes, header: RtpHeader, payload: bytes, now: float
    ) -> SourcePacket | None:
        if self.ssrc is None:
            self.ssrc = header.ssrc
        if header.ssrc != self.ssrc:
            return self._drop("ssrc")
        content = self._inspect(data, header, payload)
        restarts = self._sequence.restarts
        ext_seq = self._sequence.unwrap(header.seq)
        if ext_seq is None:
            return self._drop("sequence")
        if self._sequence.restarts != restarts:
            self._restart()
        if not self._take_fresh(ext_seq):
            self._nack.receive_again(ext_seq, now)
            return self._drop("duplicate")
        if ext_seq <= self._muted_until:
            return self._drop("muted")
        packet = self._packet(header, payload, content, ext_seq, now)
        self._reception.receive(ext_seq, packet.ext_timestamp, now)
        if self._report_due is None:
            self._report_due = now + REPORT_INTERVAL_S / 10  # an early REMB starts the ramp
        self.clock.handle_packet(packet.ext_timestamp, now)
        return self._keep(packet, now)

    def _receive_rtx(
        self, data: bytes, header: RtpHeader, payload: bytes, now: float
    ) -> SourcePacket | None:
        """RFC 4588 §4: two bytes of original sequence number, then the original payload."""
        if self.ssrc is None or self._sequence.highest < 0:
            return self._drop("rtx_early")
        if self.rtx_ssrc is None:
            self.rtx_ssrc = header.ssrc
        if header.ssrc != self.rtx_ssrc:
            return self._drop("ssrc")
        if not payload:
            return self._drop("padding")
        if len(payload) < 2:
            raise RemoteProtocolError("rtx_too_short")
        original = payload[2:]
        content = self._inspect(data, header, original)
        ext_seq = self._sequence.nearest(int.from_bytes(payload[:2], "big"))
        if ext_seq > self._sequence.highest:
            return self._drop("rtx_ahead")
        if not self._take_fresh(ext_seq):
            self._nack.receive_again(ext_seq, now)
            return self._drop("duplicate")
        if ext_seq <= self._muted_until:
            return self._drop("muted")
        packet = self._packet(header, original, content, ext_seq, now)
        self._repaired += 1
        return self._keep(packet, now)

    def _inspect(self, data: bytes, header: RtpHeader, payload: bytes) -> _Content:
        """All that may raise, before any state changes."""
        red = None
        block = self.options.block_payload_type
        if block is not None and payload and header.payload_type != block:
            red = parse_red_untrusted(payload, block)
        starts_keyframe, vp8 = inspect_untrusted(self.options.codec, payload)
        return starts_keyframe, vp8, red, self._reader.read_untrusted(data, header)

    def _packet(
        self, header: RtpHeader, payload: bytes, content: _Content, ext_seq: int, now: float
    ) -> SourcePacket:
        ext_timestamp = self._timestamps.unwrap(header.rtp_timestamp)
        starts_keyframe, vp8, red, values = content
        # SPS, PPS and IDR of one key frame all look like a start; only the first one is.
        starts_keyframe = starts_keyframe and ext_timestamp != self._keyframe_timestamp
        if vp8 is not None and vp8.picture_id_bits:
            unwrapper = self._picture_ids.get(vp8.picture_id_bits)
            if unwrapper is None:
                unwrapper = Unwrapper(vp8.picture_id_bits)
                self._picture_ids[vp8.picture_id_bits] = unwrapper
            vp8.ext_picture_id = unwrapper.unwrap(vp8.picture_id)
        before, self._vp8 = self._vp8, vp8 or self._vp8
        return SourcePacket(
            source_id=self.source_id,
            ssrc=self.ssrc or 0,
            ext_seq=ext_seq,
            ext_timestamp=ext_timestamp,
            peak_timestamp=self._timestamps.highest,
            arrival=now,
            payload=payload,
            payload_type=self.options.payload_type,
            marker=header.marker,
            is_keyframe_start=starts_keyframe,
            vp8=vp8,
            vp8_before=before if vp8 is None else None,
            red=red,
            audio_level=values.audio_level,
            video_orientation=values.video_orientation,
            abs_capture_time=self._capture_ntp(values.abs_capture_time, ext_timestamp, now),
        )

    def _capture_ntp(self, ntp: int | None, ext_timestamp: int, now: float) -> int | None:
        """abs-capture-time moved to our clock, the one our sender reports speak of."""
        if ntp is None:
            return None
        self.clock.handle_capture_time(rtcp.ntp_to_unix_s(ntp), ext_timestamp, now)
        captured = self.clock.capture_time(ext_timestamp)
        return None if captured is None else rtcp.ntp64(captured + self.options.wall_offset_s)

    def _keep(self, packet: SourcePacket, now: float) -> SourcePacket:
        self.payload_bytes += len(packet.payload)
        if self._nack.receive(packet.ext_seq, now):
            self.request_keyframe()
        if packet.is_keyframe_start:
            self._keyframe_timestamp = packet.ext_timestamp
            self._keyframe_count += 1
            self.keyframes.keyframe_started(now)
        if self._is_muted:
            return packet
        self.ring.put(packet)
        if self.is_video:
            self.gop.put(packet)
        return packet

    def _take_fresh(self, ext_seq: int) -> bool:
        """Note a sequence number; False when it came before or is too old to know."""
        seen = self._seen
        oldest = self._sequence.highest - _MAX_LATE_PACKETS
        if ext_seq in seen or ext_seq < oldest:
            return False
        seen.add(ext_seq)
        if len(seen) > 2 * _MAX_LATE_PACKETS:
            self._seen = {number for number in seen if number >= oldest}
        return True

    def _restart(self) -> None:
        """The sender began a new sequence under the same SSRC: nothing old can be mended."""
        self._seen.clear()
        self._nack.reset()
        self._reception.restart()
        self._timestamps = Unwrapper(32)
        self._picture_ids.clear()
        self._vp8 = None
        self._keyframe_timestamp = -1
        self.gop.clear()
        self.clock.reset()
        self.request_keyframe()

    def _report(self, ssrc: int, now: float) -> bytes:
        local = self.options.local_ssrc
        report = self._reception.take_report(ssrc, now)
        compound = rtcp.build_receiver_report(local, [report])
        compound += rtcp.build_sdes(local, self.options.cname)
        if self.options.remb_bps is not None:
            compound += rtcp.build_remb(local, self.options.remb_bps, [ssrc])
        return compound

    def _drop(self, reason: str) -> SourcePacket | None:
        self._dropped[reason] = self._dropped.get(reason, 0) + 1
        return None

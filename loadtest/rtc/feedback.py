"""What a browser that watches sends back: RR, NACK, PLI, REMB. A core; `now` is monotonic seconds.

Once a second a full compound packet goes out: receiver report, CNAME and REMB. NACK and PLI go
when they are due, alone where reduced-size RTCP was negotiated (RFC 5506), else behind an empty
report. A picture is asked for when no key frame came at first, and when a hole was given up.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from loadtest.rtc.nack import NackList
from loadtest.rtc.negotiation import Format
from loadtest.rtc.peer_counts import PeerCounts
from loadtest.rtc.reports import ReceptionReport
from loadtest.rtc.rtcp import build_nack, build_pli, build_receiver_report, build_remb
from loadtest.rtc.stream_count import StreamCount

REPORT_EVERY_S: Final = 1.0
PLI_EVERY_S: Final = 1.0
KEY_FRAME_WAIT_S: Final = 0.2
"""As libwebrtc waits for a first key frame before it asks."""
REMB_FACTOR: Final = 1.5
LEAST_REMB_BPS: Final = 30_000
REPORT_BLOCKS: Final = 31
"""RFC 3550 §6.4.2: the count has 5 bits."""


@dataclass(slots=True)
class _Watched:
    """One media stream that arrives."""

    ssrc: int
    stream: StreamCount
    report: ReceptionReport
    can_nack: bool
    can_pli: bool
    nacks: NackList = field(default_factory=NackList)
    pli_at: float | None = None
    """When to ask for a picture; None while one can be decoded."""


class Feedback:
    """`add` each new media stream, tell what arrives, and send what `take_due` returns. Counts
    what it sends into `counts`."""

    def __init__(
        self,
        ssrc: int,
        counts: PeerCounts,
        *,
        rsize: bool,
        uses_remb: bool,
        remb_bps: int | None = None,
        cname: str = "light",
    ) -> None:
        self._ssrc = ssrc
        self._counts = counts
        self._rsize = rsize
        self._uses_remb = uses_remb
        self._remb_bps = remb_bps
        self._cname = cname
        self._watched: dict[int, _Watched] = {}
        self._report_at: float | None = None
        self._reported_at = 0.0
        self._reported_bytes = 0
        self._pli_sent_at = -PLI_EVERY_S

    def add(self, ssrc: int, stream: StreamCount, format_: Format, now: float) -> None:
        report = ReceptionReport(ssrc, format_.clock_rate)
        can_pli = "nack pli" in format_.feedback
        watched = _Watched(ssrc, stream, report, "nack" in format_.feedback, can_pli)
        if can_pli:
            watched.pli_at = now + KEY_FRAME_WAIT_S
        self._watched[ssrc] = watched
        if self._report_at is None:
            self._report_at = now + REPORT_EVERY_S
            self._reported_at = now

    def arrived(self, ssrc: int, rtp_timestamp: int, arrival_s: float) -> None:
        watched = self._watched.get(ssrc)
        if watched is not None:
            watched.report.arrived(rtp_timestamp, arrival_s)

    def take_sender_report(self, ssrc: int, ntp: int, now: float) -> None:
        watched = self._watched.get(ssrc)
        if watched is not None:
            watched.report.take_sender_report(ntp, now)

    def awaits_key_frame(self, ssrc: int) -> bool:
        """Whether the caller has to look for one in what it receives."""
        watched = self._watched.get(ssrc)
        return watched is not None and watched.pli_at is not None

    def take_key_frame(self, ssrc: int) -> None:
        watched = self._watched.get(ssrc)
        if watched is not None:
            watched.pli_at = None

    def take_due(self, now: float, rtt_s: float, received_bytes: int) -> list[bytes]:
        """Plain RTCP packets to send now, each for one datagram."""
        packets: list[bytes] = []
        for watched in self._watched.values():
            if watched.can_nack:
                packets += self._nack(watched, now, rtt_s)
            if watched.pli_at is not None and now >= watched.pli_at:
                packets += self._pli(watched, now)
        if self._report_at is not None and now >= self._report_at:
            packets.append(self._full_report(now, received_bytes))
        return packets

    def _nack(self, watched: _Watched, now: float, rtt_s: float) -> list[bytes]:
        due, given_up = watched.nacks.take_due(watched.stream, now, rtt_s)
        if given_up and watched.can_pli and watched.pli_at is None:
            watched.pli_at = now
        if not due:
            return []
        self._counts.nacks_sent += 1
        return [self._early(build_nack(self._ssrc, watched.ssrc, due))]

    def _pli(self, watched: _Watched, now: float) -> list[bytes]:
        if now - self._pli_sent_at < PLI_EVERY_S:
            watched.pli_at = self._pli_sent_at + PLI_EVERY_S
            return []
        self._pli_sent_at = now
        watched.pli_at = now + PLI_EVERY_S
        self._counts.plis_sent += 1
        return [self._early(build_pli(self._ssrc, watched.ssrc))]

    def _early(self, packet: bytes) -> bytes:
        return packet if self._rsize else self._empty_report() + packet

    def _empty_report(self) -> bytes:
        return build_receiver_report(self._ssrc, [], self._cname)

    def _full_report(self, now: float, received_bytes: int) -> bytes:
        blocks = [each.report.block(each.stream, now) for each in self._watched.values()]
        compound = build_receiver_report(self._ssrc, blocks[:REPORT_BLOCKS], self._cname)
        self._counts.rrs_sent += 1
        if self._uses_remb:
            ssrcs = [each.ssrc for each in self._watched.values() if each.can_pli]
            compound += build_remb(self._ssrc, self._bitrate(now, received_bytes), ssrcs)
            self._counts.rembs_sent += 1
        self._report_at = now + REPORT_EVERY_S
        self._reported_at, self._reported_bytes = now, received_bytes
        return compound

    def _bitrate(self, now: float, received_bytes: int) -> int:
        if self._remb_bps is not None:
            return self._remb_bps
        passed_s = max(now - self._reported_at, 1e-3)
        rate_bps = (received_bytes - self._reported_bytes) * 8 / passed_s
        return max(LEAST_REMB_BPS, int(rate_bps * REMB_FACTOR))

"""A viewer for the world in memory who says how it fares: reports once a second, and an estimate.

The estimate is aiortc's port of libwebrtc's, sent as libwebrtc does (see `narrow_downlink`).
"""

from __future__ import annotations

import random
from typing import Final

from aiortc.rate import BandwidthUsage, RemoteBitrateEstimator

from loadtest.network.conditions import Conditions
from loadtest.network.impairment import Impairment
from media import rtcp
from media.rtp import parse_rtp_untrusted, read_extensions_untrusted
from tests.support.plane_client import Surroundings, Viewer
from tests.support.plane_offer import SEND_TIME_ID, OfferText
from tests.support.plane_world import World

REPORT_S: Final = 1.0


class _Reception:
    """One SSRC as RFC 3550 §6.4.1 counts it."""

    def __init__(self) -> None:
        self.first: int | None = None
        self.highest = self.came = self.expected_before = self.came_before = 0
        self.sender_report: tuple[int, float] | None = None

    def take(self, seq: int) -> None:
        if self.first is None:
            self.first = self.highest = seq
        ahead = (seq - self.highest) & 0xFFFF
        if ahead < 0x8000:
            self.highest += ahead
        self.came += 1

    def report(self, ssrc: int, now: float) -> rtcp.RtcpReceiverInfo:
        expected = self.highest - (self.first or 0) + 1
        new = expected - self.expected_before
        lost = max(0, new - (self.came - self.came_before))
        self.expected_before, self.came_before = expected, self.came
        lsr, came_at = self.sender_report or (0, now)
        return rtcp.RtcpReceiverInfo(
            ssrc=ssrc,
            fraction_lost=min(255, lost * 256 // new) if new > 0 else 0,
            packets_lost=max(0, expected - self.came),
            highest_sequence=self.highest,
            jitter=0,
            lsr=lsr,
            dlsr=round((now - came_at) * 65536) if lsr else 0,
        )


class ReportingViewer(Viewer):
    """`is_estimating` False: receiver reports only."""

    def __init__(self, world: Surroundings, name: str, text: OfferText) -> None:
        super().__init__(world, name, text)
        self.is_estimating = True
        self.padding_packets = 0
        self._estimator = RemoteBitrateEstimator()
        self._estimator.incoming_bitrate_initialized = False
        self._receptions: dict[int, _Reception] = {}
        self._report_at = world.now + REPORT_S
        self._sent: tuple[float, int] | None = None

    def act(self, now: float) -> None:
        super().act(now)
        if self.srtp_out is not None and now >= self._report_at:
            self._report_at = now + REPORT_S
            reports = [
                reception.report(ssrc, now)
                for ssrc, reception in self._receptions.items()
                if reception.first is not None
            ]
            if reports:
                self.send_rtcp(rtcp.build_receiver_report(1, reports))

    def take_feedback(self, packets: list[rtcp.AnyRtcpPacket], now: float) -> None:
        for packet in packets:
            if isinstance(packet, rtcp.RtcpSrPacket):
                reception = self._receptions.setdefault(packet.ssrc, _Reception())
                lsr = rtcp.compact_ntp(packet.sender_info.ntp_timestamp)
                reception.sender_report = (lsr, now)

    def take_rtp(self, plain: bytes, now: float) -> None:
        header = parse_rtp_untrusted(plain)
        self._receptions.setdefault(header.ssrc, _Reception()).take(header.seq)
        stamp = read_extensions_untrusted(plain, header).get(SEND_TIME_ID)
        if stamp is not None:
            self._estimate(int.from_bytes(stamp, "big"), len(plain) - header.payload_start, now)
        if header.payload_end == header.payload_start:
            self.padding_packets += 1  # nothing that a player would see
        else:
            super().take_rtp(plain, now)

    def _estimate(self, stamp: int, size: int, now: float) -> None:
        control = self._estimator.rate_control
        before = control.current_bitrate
        said = self._estimator.add(int(now * 1000), stamp, size, 1)
        if said is None or not self.is_estimating:
            return
        bps = said[0]
        if self._estimator.detector.state() == BandwidthUsage.OVERUSING:
            bps = control.current_bitrate = min(before, bps)
        last = self._sent
        if last is None or bps < last[1] * 0.97 or now - last[0] >= REPORT_S:
            self._sent = (now, bps)
            self.send_rtcp(rtcp.build_remb(1, bps, [*self.media_ssrc.values()]))


def play_reporting(world: World, name: str = "ann") -> ReportingViewer:
    """Offer and start to connect; `run` a moment for the rest."""
    viewer = ReportingViewer(world, name, OfferText(direction="recvonly"))
    viewer.offer()
    return viewer


def narrow(viewer: Viewer, conditions: Conditions, seed: int = 1) -> None:
    """From now on his way down is like that."""
    viewer.down.impaired = Impairment(conditions, random.Random(seed))

"""A receiver's report on one stream: loss, jitter, and the last SR (RFC 3550 §6.4.1, A.3, A.8)."""

from __future__ import annotations

from typing import Final

from aiortc.rtp import RtcpReceiverInfo, clamp_packets_lost

from loadtest.rtc.stream_count import StreamCount

_DLSR_UNITS: Final = 65_536
_JITTER_GAIN: Final = 16


class ReceptionReport:
    """Feed `arrived` with each packet, ask `block` once per report."""

    __slots__ = (
        "_expected", "_jitter", "_lsr", "_received", "_sr_at", "_transit", "clock_rate", "ssrc",
    )  # fmt: skip

    def __init__(self, ssrc: int, clock_rate: int) -> None:
        self.ssrc = ssrc
        self.clock_rate = clock_rate
        self._jitter = 0.0
        self._transit: int | None = None
        self._expected = self._received = 0
        self._lsr = 0
        self._sr_at = 0.0

    def arrived(self, rtp_timestamp: int, arrival_s: float) -> None:
        """`arrival_s` on any steady clock; timestamps wrap at 32 bits."""
        transit = (int(arrival_s * self.clock_rate) - rtp_timestamp) & 0xFFFFFFFF
        if self._transit is not None:
            difference = (transit - self._transit) & 0xFFFFFFFF
            if difference > 0x7FFFFFFF:
                difference = 0x100000000 - difference
            self._jitter += (difference - self._jitter) / _JITTER_GAIN
        self._transit = transit

    def take_sender_report(self, ntp: int, now: float) -> None:
        """The middle 32 bits of its NTP time come back to the sender, who knows the round trip."""
        self._lsr = ntp >> 16 & 0xFFFFFFFF
        self._sr_at = now

    def block(self, stream: StreamCount, now: float) -> RtcpReceiverInfo:
        """Since the last one. Retransmissions on an SSRC of their own do not hide a loss."""
        expected, received = stream.expected, stream.packets
        in_interval = expected - self._expected
        lost = in_interval - (received - self._received)
        self._expected, self._received = expected, received
        fraction = min(255, (lost << 8) // in_interval) if lost > 0 and in_interval > 0 else 0
        delay = int((now - self._sr_at) * _DLSR_UNITS) if self._lsr else 0
        return RtcpReceiverInfo(
            ssrc=self.ssrc,
            fraction_lost=fraction,
            packets_lost=clamp_packets_lost(expected - received),
            highest_sequence=stream.highest_seq & 0xFFFFFFFF,
            jitter=int(self._jitter) & 0xFFFFFFFF,
            lsr=self._lsr,
            dlsr=min(delay, 0xFFFFFFFF),
        )

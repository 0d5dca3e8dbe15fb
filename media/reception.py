"""Reception statistics of one incoming SSRC, for receiver reports (RFC 3550 §6.4.1, A.3, A.8).

Only original transmissions count: the publisher's congestion control must see the loss that
retransmissions mend.
"""

from __future__ import annotations

from media.rtcp import RtcpReceiverInfo, compact_ntp

_MAX_LOST = (1 << 23) - 1


class Reception:
    """Feed it every original packet; `take_report` closes one interval."""

    __slots__ = (
        "_base", "_clock_rate", "_expected_before", "_highest", "_last_transit", "_received_prior",
        "_report_at", "_report_ntp", "jitter_ticks", "loss", "received",
    )  # fmt: skip

    def __init__(self, clock_rate: int) -> None:
        self._clock_rate = clock_rate
        self.received = 0
        self.jitter_ticks = 0.0
        self.loss = 0.0
        self._base: int | None = None
        self._highest = 0
        self._expected_before = 0
        self._received_prior = 0
        self._last_transit: float | None = None
        self._report_ntp = 0
        self._report_at: float | None = None

    @property
    def expected(self) -> int:
        return 0 if self._base is None else self._highest - self._base + 1

    @property
    def lost(self) -> int:
        """Cumulative packets lost; negative never, late ones are subtracted when they come."""
        return max(0, self.expected - self.received)

    def receive(self, ext_seq: int, ext_timestamp: int, now: float) -> None:
        if self._base is None:
            # After a restart the old expectation is carried on: all of it counts as received.
            self._base = ext_seq - self.received
            self._highest = ext_seq
        self._highest = max(self._highest, ext_seq)
        self._base = min(self._base, ext_seq)
        self.received += 1
        transit = now * self._clock_rate - ext_timestamp
        if self._last_transit is not None:
            self.jitter_ticks += (abs(transit - self._last_transit) - self.jitter_ticks) / 16
        self._last_transit = transit

    def restart(self) -> None:
        """The sequence begins anew; the totals go on, losses so far are forgotten."""
        self._base = None
        self._last_transit = None
        self._expected_before = self._received_prior = self.received

    def handle_sender_report(self, ntp: int, now: float) -> None:
        self._report_ntp = compact_ntp(ntp)
        self._report_at = now

    def take_report(self, ssrc: int, now: float) -> RtcpReceiverInfo:
        """The block for `ssrc`; the fraction lost (`loss` too) is that since the last call."""
        expected = self.expected - self._expected_before
        received = self.received - self._received_prior
        self._expected_before = self.expected
        self._received_prior = self.received
        lost = max(0, expected - received)
        self.loss = lost / expected if expected > 0 else 0.0
        since_s = 0.0 if self._report_at is None else now - self._report_at
        return RtcpReceiverInfo(
            ssrc=ssrc,
            fraction_lost=min(255, lost * 256 // expected) if expected > 0 else 0,
            packets_lost=min(self.lost, _MAX_LOST),
            highest_sequence=self._highest & 0xFFFFFFFF,
            jitter=min(int(self.jitter_ticks), 0xFFFFFFFF),
            lsr=self._report_ntp,
            dlsr=min(int(since_s * 65536), 0xFFFFFFFF),
        )

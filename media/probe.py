"""One probe: sending a viewer more for a second, to see whether it would arrive.

              target .-------------.
                    /|             |                   time 0      RAMP_S    HOLD_S     PATIENCE_S
    proven ________/ |   report o  |__ wait ...        rate grows, is held, then nothing is sent
                                                       and what the viewer reports decides

What decides is the round trip of a sender report that was sent while the rate was held: it stood in
the same queue. A viewer's estimate (REMB) that rises meanwhile says the same; it need not reach the
target, for libwebrtc caps it at 1.5 times what arrives and lets it grow by 8 % a second.
"""

from __future__ import annotations

from typing import Final

RAMP_S: Final = 0.4
"""From what is known to be good up to the target, by equal factors: a narrow link is passed at a
slow pace."""
HOLD_S: Final = 0.5
"""Long enough for an excess of a fifth to add 100 ms to the round trip."""
REPORT_AT_S: Final = RAMP_S + 0.4
"""When the sender report is sent whose round trip is looked at."""
PATIENCE_S: Final = 2.0
"""How long the verdict is waited for after that: receivers report about once a second."""
GROWTH_S: Final = 0.06
"""A round trip longer than before by that much is a queue; less is what Wi-Fi does anyhow."""
REMB_RISE: Final = 1.005
"""An estimate above what it was by that factor rises: libwebrtc's step in 200 ms is 1.5 %."""
MAX_PORTION_S: Final = 0.03
"""A timer that fires late is not made up for by a burst."""


class Probe:
    """`take_bytes` every few milliseconds until `is_sent`, reports in, then `verdict`.

    Rates are of everything that is sent, `base_bps` of it media, so the probe adds the rest.
    What `take_bytes` asked for is sent in whole packets; `sent` says how much it was.
    `rtt_s` and `remb_bps` are what was known before, None: nothing.
    """

    __slots__ = (
        "_began", "_credit_bits", "_from_bps", "_has_report_gone", "_is_refuted", "_is_supported",
        "_portion_at", "_remb_bps", "_rtt_s", "base_bps", "target_bps",
    )  # fmt: skip

    def __init__(
        self,
        *,
        base_bps: float,
        from_bps: float,
        target_bps: int,
        rtt_s: float | None,
        remb_bps: int | None,
        now: float,
    ) -> None:
        self.base_bps = base_bps
        self._from_bps = max(1.0, min(from_bps, target_bps))
        self.target_bps = target_bps
        self._rtt_s = rtt_s
        self._remb_bps = remb_bps
        self._began = self._portion_at = now
        self._credit_bits = 0.0
        self._has_report_gone = False
        self._is_refuted = self._is_supported = False

    def take_bytes(self, now: float) -> int:
        """How many bytes to send now on top of the media."""
        elapsed_s = min(now - self._portion_at, MAX_PORTION_S)
        self._portion_at = now
        if self.is_sent(now):
            return 0
        share = min(1.0, (now - self._began) / RAMP_S)
        rate_bps = self._from_bps * (self.target_bps / self._from_bps) ** share
        self._credit_bits += max(0.0, rate_bps - self.base_bps) * elapsed_s
        return max(0, int(self._credit_bits / 8))

    def sent(self, count_bytes: int) -> None:
        """Bytes that really went out; more than was taken is owed from the next portion."""
        self._credit_bits -= count_bytes * 8

    def is_sent(self, now: float) -> bool:
        return now - self._began >= RAMP_S + HOLD_S

    def take_report_due(self, now: float) -> bool:
        """Whether to send a sender report now; true once."""
        if self._has_report_gone or now - self._began < REPORT_AT_S:
            return False
        self._has_report_gone = True
        return True

    def handle_round_trip(self, rtt_s: float, report_sent_at: float) -> None:
        """A round trip measured by the sender report that was sent then (monotonic s)."""
        if self._rtt_s is None or report_sent_at < self._began + RAMP_S:
            return
        if rtt_s > self._rtt_s + GROWTH_S:
            self._is_refuted = True
        elif report_sent_at >= self._began + REPORT_AT_S - 0.05:
            self._is_supported = True

    def handle_remb(self, bps: int, now: float) -> None:
        """The viewer's estimate; a fall ends the probe before it comes here."""
        if self._remb_bps is None or bps > self._remb_bps * REMB_RISE:
            self._is_supported = self._is_supported or now - self._began >= RAMP_S + HOLD_S

    def verdict(self, now: float) -> bool | None:
        """Whether the rate arrives; None while that is open. Without any sign it does not."""
        if self._is_refuted:
            return False
        if self._is_supported and self.is_sent(now):
            return True
        return False if now - self._began >= REPORT_AT_S + PATIENCE_S else None

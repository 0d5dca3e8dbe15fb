"""What a node has seen of its transports' beginnings and quality, for metrics. A core.

Summed over all rooms: no label of it grows with people or rooms.
"""

from __future__ import annotations

from typing import Final, Literal

from media.seam import PeerConnected, QualitySample
from signaling import protocol as p
from signaling.distribution import SECONDS, Distribution
from signaling.signal_bars import signal_bars

Direction = Literal["publish", "play"]
DIRECTIONS: Final[tuple[Direction, ...]] = ("publish", "play")
JOIN_STEPS: Final = ("http", "ice", "dtls", "first_packet")
"""Of `report_join`; the first frame has a metric of its own."""

_BITS: Final = (64e3, 128e3, 256e3, 512e3, 1e6, 2e6, 4e6, 8e6, 16e6)
_SCORES: Final = (0.0, 1.0, 2.0, 3.0, 4.0)


def _each(edges: tuple[float, ...] = SECONDS) -> dict[Direction, Distribution]:
    return {direction: Distribution(edges) for direction in DIRECTIONS}


class MediaFigures:
    """One per node. Times are seconds."""

    def __init__(self) -> None:
        self.answer_s = _each()
        """From the ask (socket or HTTP) to the SDP answer, inside the server."""
        self.ice_s = _each()
        self.dtls_s = _each()
        self.join_s = {(way, step): Distribution() for way in DIRECTIONS for step in JOIN_STEPS}
        """As clients report them: since they began to ask."""
        self.first_frame_s = _each()
        self.score = _each(_SCORES)
        """Signal bars of each window of ten seconds."""
        self.estimate_bps = Distribution(_BITS)
        """What viewers' receivers say that they can take, each ten seconds."""
        self.reports = 0
        self.watched_ms = 0
        self.freezes = 0
        self.freeze_ms = 0

    def answered(self, direction: Direction, seconds: float) -> None:
        self.answer_s[direction].observe(seconds)

    def connected(self, direction: Direction, event: PeerConnected) -> None:
        if event.ice_ms is not None:
            self.ice_s[direction].observe(event.ice_ms / 1000)
        if event.dtls_ms is not None:
            self.dtls_s[direction].observe(event.dtls_ms / 1000)

    def joined(self, direction: Direction, told: p.ReportJoin) -> None:
        for step in JOIN_STEPS:
            took_ms: int | None = getattr(told, f"{step}_ms")
            if took_ms is not None:
                self.join_s[direction, step].observe(took_ms / 1000)
        if told.first_frame_ms is not None:
            self.first_frame_s[direction].observe(told.first_frame_ms / 1000)

    def sampled(self, direction: Direction, sample: QualitySample, *, is_silent: bool) -> None:
        bars = signal_bars(
            is_silent=is_silent,
            kbps=sample.bitrate_bps // 1000,
            loss=sample.loss,
            rtt_ms=sample.rtt_ms,
            jitter_ms=sample.jitter_ms,
        )
        self.score[direction].observe(bars)
        if sample.estimate_bps is not None:
            self.estimate_bps.observe(sample.estimate_bps)

    def reported(self, told: p.ReportQuality) -> None:
        self.reports += 1
        self.watched_ms += told.window_ms
        self.freezes += told.freezes
        self.freeze_ms += min(told.freeze_ms, told.window_ms)

"""The bars of every seat, from one look at its transports to the next. A core.

Transports of a person that sits are looked at together: a camera and a screen, or the old and the
new one of a hand-over. The best one heard counts for bars, all of them for the bitrate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from media.seam import PeerId, PeerStats
from signaling.ids import SeatNo
from signaling.signal_bars import signal_bars
from signaling.uplinks import Uplink
from signaling.views import SeatSignal

KBPS_STEP: Final = 50
RTT_STEP_MS: Final = 10
LOSS_STEP_PM: Final = 5
"""What is told is rounded to these, so that a steady connection has nothing new to say."""


class _Look(NamedTuple):
    bytes_in: int
    at: float


class SeatSignals:
    """`read` every few seconds; a transport is judged from its second look on."""

    def __init__(self) -> None:
        self._looks: dict[PeerId, _Look] = {}

    def read(
        self,
        seats: Iterable[tuple[SeatNo, list[Uplink]]],
        stats: Mapping[PeerId, PeerStats],
        now: float,
    ) -> tuple[SeatSignal, ...]:
        """Signals of the seats that publish, in their order; `now` is monotonic seconds."""
        before, self._looks = self._looks, {}
        signals = []
        for seat, uplinks in seats:
            judged = [
                found
                for uplink in uplinks
                if (found := self._judge(seat, uplink, stats, before, now)) is not None
            ]
            if judged:
                best = max(judged, key=lambda signal: (signal.bars, signal.kbps))
                signals.append(_rounded(best, sum(signal.kbps for signal in judged)))
        return tuple(signals)

    def _judge(
        self,
        seat: SeatNo,
        uplink: Uplink,
        stats: Mapping[PeerId, PeerStats],
        before: Mapping[PeerId, _Look],
        now: float,
    ) -> SeatSignal | None:
        found = stats.get(uplink.peer_id)
        if found is None or not uplink.is_connected:
            return None
        self._looks[uplink.peer_id] = _Look(found.bytes_in, now)
        last = before.get(uplink.peer_id)
        if last is None or now <= last.at:
            return None
        bits = max(0, found.bytes_in - last.bytes_in) * 8
        kbps = round(bits / (now - last.at) / 1000)
        loss = min(1.0, max(0.0, found.loss))
        bars = signal_bars(
            is_silent=uplink.is_silent,
            kbps=kbps,
            loss=loss,
            rtt_ms=found.rtt_ms,
            jitter_ms=_jitter_ms(found),
        )
        rtt_ms = None if found.rtt_ms is None else round(found.rtt_ms)
        return SeatSignal(seat, bars, round(loss * 1000), kbps, rtt_ms)


def _jitter_ms(stats: PeerStats) -> float | None:
    """Of the layers that are being sent, the worst."""
    layers = [layer for track in stats.tracks for layer in track.layers if layer.bitrate_bps]
    return max((layer.jitter_ms for layer in layers), default=None)


def _rounded(signal: SeatSignal, kbps: int) -> SeatSignal:
    rtt_ms = None if signal.rtt_ms is None else _to_step(signal.rtt_ms, RTT_STEP_MS)
    return SeatSignal(
        seat=signal.seat,
        bars=signal.bars,
        loss_pm=_to_step(signal.loss_pm, LOSS_STEP_PM),
        kbps=max(_to_step(kbps, KBPS_STEP), min(kbps, 1)),
        rtt_ms=rtt_ms,
    )


def _to_step(value: int, step: int) -> int:
    return round(value / step) * step

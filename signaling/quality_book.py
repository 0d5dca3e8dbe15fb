"""The quality of a room's transports on this node: what media and clients say finds its transport,
the node's figures and the retention store."""

from __future__ import annotations

from collections.abc import Callable

from media.seam import PeerConnected, QualitySample
from signaling import protocol as p
from signaling.clock import Clock
from signaling.downlinks import Downlink
from signaling.engagement import EngagementSink
from signaling.ids import RoomRef
from signaling.media_figures import MediaFigures
from signaling.quality import is_sampled, qoe_sample
from signaling.uplinks import Uplink
from signaling.views import Role

Transport = Uplink | Downlink


class QualityBook:
    """One per room and node. `show_id` names the show that is on at the moment of asking."""

    def __init__(
        self,
        ref: RoomRef,
        *,
        clock: Clock,
        sink: EngagementSink,
        figures: MediaFigures,
        show_id: Callable[[], str],
    ) -> None:
        self._ref = ref
        self._clock = clock
        self._sink = sink
        self._figures = figures
        self._show_id = show_id

    def now(self) -> float:
        """Monotonic seconds, for `answered`."""
        return self._clock.monotonic()

    def now_ms(self) -> int:
        """Unix milliseconds, as reports are kept with."""
        return self._clock.now_ms()

    def answered(self, transport: Transport, asked_at: float) -> None:
        """Its offer was answered; `asked_at` is what `now` said when it was asked."""
        took_s = self._clock.monotonic() - asked_at
        transport.quality.answer_ms = took_s * 1000
        self._figures.answered(transport.quality.direction, took_s)

    def connected(self, transport: Transport, event: PeerConnected) -> None:
        transport.quality.connected(event)
        self._figures.connected(transport.quality.direction, event)

    def sampled(
        self, transport: Transport, sample: QualitySample, seat_role: Role | None, is_silent: bool
    ) -> None:
        """A window of ten seconds is over. `seat_role` is None of a person without a seat."""
        quality, owner = transport.quality, transport.owner
        quality.sample = sample
        self._figures.sampled(quality.direction, sample, is_silent=is_silent)
        if seat_role is None and not is_sampled(owner.who.subject):
            return
        self._sink.emit(
            qoe_sample(
                quality,
                sample,
                owner,
                ref=self._ref,
                show_id=self._show_id(),
                role=seat_role or owner.who.role,
                now_ms=self._clock.now_ms(),
            )
        )

    def reported(self, transport: Transport, told: p.ReportQuality | p.ReportJoin) -> None:
        """A client says what it saw; what comes too often is dropped."""
        quality = transport.quality
        if isinstance(told, p.ReportJoin):
            if quality.take_join(told):
                self._figures.joined(quality.direction, told)
        elif quality.take_report(told, self._clock.now_ms()):
            self._figures.reported(told)

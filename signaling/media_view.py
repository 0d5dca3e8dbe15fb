"""A room's transports as operators and shops see them: who, how joining went, what flows."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from media.seam import PeerStats
from signaling.media_figures import Direction
from signaling.protocol import ReportJoin
from signaling.quality import TransportQuality
from signaling.quality_book import Transport
from signaling.views import Role

MAX_PEERS: Final = 500
"""Publishers first, then players in the order of their coming: a page, not a database."""


class JoinTimes(msgspec.Struct, frozen=True):
    """Milliseconds; None where nobody said or it has not happened.

    `answer_ms`, `ice_ms`, `dtls_ms` are the server's: from the ask to the answer, from there to the
    first authenticated check, from there to the keys. `client_*_ms` are the client's, all since
    it began to ask.
    """

    answer_ms: float | None = None
    ice_ms: float | None = None
    dtls_ms: float | None = None
    client_http_ms: int | None = None
    client_ice_ms: int | None = None
    client_dtls_ms: int | None = None
    client_first_packet_ms: int | None = None
    client_first_frame_ms: int | None = None


class Reported(msgspec.Struct, frozen=True):
    """The client's last `report_quality`, `age_ms` old."""

    age_ms: int
    window_ms: int
    loss_pm: int
    fps: int
    width: int
    height: int
    kbps_in: int
    kbps_out: int
    freezes: int
    freeze_ms: int
    concealed_pm: int
    rtt_ms: int | None = None
    jitter_ms: int | None = None
    av_skew_ms: int | None = None


class PeerMedia(msgspec.Struct, frozen=True):
    """One transport. `key` names it in `qoe.sample` events, too; `seat` is None off stage."""

    key: str
    subject: str
    name: str
    role: Role
    direction: Direction
    door: Literal["socket", "http"]
    seat: int | None
    join: JoinTimes
    reported: Reported | None
    stats: PeerStats


class RoomMedia(msgspec.Struct, frozen=True):
    """Transports of a room on this node; `left_out` more are not listed."""

    peers: tuple[PeerMedia, ...] = ()
    left_out: int = 0


def peer_media(
    transport: Transport, stats: PeerStats, *, seat: int | None, now_ms: int
) -> PeerMedia:
    quality, owner = transport.quality, transport.owner
    return PeerMedia(
        key=quality.key,
        subject=owner.who.subject,
        name=owner.who.name,
        role=owner.who.role,
        direction=quality.direction,
        door="http" if owner.is_http else "socket",
        seat=seat,
        join=_join_times(quality),
        reported=_reported(quality, now_ms),
        stats=stats,
    )


def _join_times(quality: TransportQuality) -> JoinTimes:
    told = quality.join or ReportJoin(peer_id="")
    return JoinTimes(
        answer_ms=_tenths(quality.answer_ms),
        ice_ms=_tenths(quality.ice_ms),
        dtls_ms=_tenths(quality.dtls_ms),
        client_http_ms=told.http_ms,
        client_ice_ms=told.ice_ms,
        client_dtls_ms=told.dtls_ms,
        client_first_packet_ms=told.first_packet_ms,
        client_first_frame_ms=told.first_frame_ms,
    )


def _reported(quality: TransportQuality, now_ms: int) -> Reported | None:
    told = quality.report
    if told is None:
        return None
    return Reported(
        age_ms=max(0, now_ms - quality.report_at_ms),
        window_ms=told.window_ms,
        loss_pm=told.loss_pm,
        fps=told.fps,
        width=told.width,
        height=told.height,
        kbps_in=told.kbps_in,
        kbps_out=told.kbps_out,
        freezes=told.freezes,
        freeze_ms=told.freeze_ms,
        concealed_pm=told.concealed_pm,
        rtt_ms=told.rtt_ms,
        jitter_ms=told.jitter_ms,
        av_skew_ms=told.av_skew_ms,
    )


def _tenths(value: float | None) -> float | None:
    return None if value is None else round(value, 1)

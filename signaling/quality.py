"""How media goes for one transport, and what the retention store is told of it. A core.

Two sources: the server measures each transport over windows of ten seconds (`media.quality`), and
clients report what only they can see (`report_quality`). One `qoe.sample` joins both.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

from media.seam import PeerConnected, PeerId, QualitySample
from signaling import protocol as p
from signaling.engagement import Engagement
from signaling.ids import RoomRef, Subject
from signaling.media_figures import Direction
from signaling.media_owner import MediaOwner
from signaling.views import Role

WINDOW_MS: Final = 10_000
"""`qoe.sample` is told at most once for each transport in each of these (RETENTION: 10 s)."""
SAMPLE_ONE_OF: Final = 10
"""Viewers: one person in ten, always the same ones. Whoever is on stage: always."""
REPORT_GAP_MS: Final = 5_000
"""Reports of one transport that follow sooner are dropped: they come every ten seconds."""
REPORT_HOLDS_MS: Final = 15_000
"""A report older than this says nothing about the window that has just ended."""


def is_sampled(subject: Subject) -> bool:
    """Whether this person is one of those whose windows are kept: the same answer on every node
    and after every restart. Not the hash that chooses shards, or some shards would get them all."""
    digest = hashlib.blake2b(subject.encode(), digest_size=4, person=b"qoe").digest()
    return int.from_bytes(digest) % SAMPLE_ONE_OF == 0


class TransportQuality:
    """What is known of one transport, as long as it lives."""

    __slots__ = (
        "answer_ms", "direction", "dtls_ms", "ice_ms", "join", "key", "report", "report_at_ms",
        "sample",
    )  # fmt: skip

    def __init__(self, peer_id: PeerId, direction: Direction) -> None:
        self.direction = direction
        # A peer id opens its WHIP session to whoever knows it: events carry a hash of it.
        self.key = hashlib.blake2b(peer_id.encode(), digest_size=9).hexdigest()
        self.answer_ms: float | None = None
        """From the ask to the answer, inside the server."""
        self.ice_ms: float | None = None
        self.dtls_ms: float | None = None
        self.join: p.ReportJoin | None = None
        self.report: p.ReportQuality | None = None
        self.report_at_ms = 0
        self.sample: QualitySample | None = None

    def connected(self, event: PeerConnected) -> None:
        self.ice_ms, self.dtls_ms = event.ice_ms, event.dtls_ms

    def take_report(self, told: p.ReportQuality, now_ms: int) -> bool:
        """Keep a client's report; False for one that came too soon after the last."""
        if self.report is not None and 0 <= now_ms - self.report_at_ms < REPORT_GAP_MS:
            return False
        self.report, self.report_at_ms = told, now_ms
        return True

    def take_join(self, told: p.ReportJoin) -> bool:
        """Keep the times of joining; False for all but the first."""
        if self.join is not None:
            return False
        self.join = told
        return True

    def fresh_report(self, now_ms: int) -> p.ReportQuality | None:
        """The client's report of about the window that ends now."""
        if self.report is None or not 0 <= now_ms - self.report_at_ms <= REPORT_HOLDS_MS:
            return None
        return self.report


def qoe_sample(
    quality: TransportQuality,
    sample: QualitySample,
    owner: MediaOwner,
    *,
    ref: RoomRef,
    show_id: str,
    role: Role,
    now_ms: int,
) -> Engagement:
    """The `qoe.sample` of the window that ends now; telling it again changes nothing.

    What both sides measured is taken from the server, which a client cannot make up.
    """
    props = {"role": role, "dir": quality.direction, "window_ms": round(sample.window_s * 1000)}
    props |= _of_client(quality.fresh_report(now_ms))
    props |= _of_server(sample)
    return Engagement(
        type="qoe.sample",
        natural_key=f"{quality.key}:{now_ms // WINDOW_MS}",
        at_ms=now_ms,
        shop_id=ref.shop,
        room_id=ref.room,
        show_id=show_id,
        subject=owner.who.subject,
        conn=owner.conn,
        props=props,
    )


def _of_server(sample: QualitySample) -> dict[str, Any]:
    """`kbps_in` and `kbps_out` are the person's: a viewer receives, a publisher sends."""
    kbps = "kbps_out" if sample.direction == "uplink" else "kbps_in"
    times = {"rtt_ms": sample.rtt_ms, "jitter_ms": sample.jitter_ms}
    return {
        kbps: sample.bitrate_bps // 1000,
        "loss_pm": round(sample.loss * 1000),
        **{name: round(value) for name, value in times.items() if value is not None},
    }


def _of_client(told: p.ReportQuality | None) -> dict[str, Any]:
    if told is None:
        return {}
    props = {
        "rtt_ms": told.rtt_ms,
        "jitter_ms": told.jitter_ms,
        "fps": told.fps,
        "w": told.width,
        "h": told.height,
        "kbps_in": told.kbps_in,
        "kbps_out": told.kbps_out,
        "freezes": told.freezes,
        "freeze_ms": told.freeze_ms,
        "concealed_pm": told.concealed_pm,
        "av_skew_ms": told.av_skew_ms,
    }
    return {name: value for name, value in props.items() if value is not None}

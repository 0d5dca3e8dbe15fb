"""Windows of quality: who is sampled, what a sample says, what of a client's word is kept."""

from __future__ import annotations

import msgspec
import pytest

from media.seam import PeerConnected, PeerId, QualitySample
from server.retention.events import decode_untrusted, encode
from signaling import protocol as p
from signaling.engagement import Engagement
from signaling.identity import Identity
from signaling.ids import ConnId, RoomId, RoomRef, ShopId, Subject
from signaling.media_figures import MediaFigures
from signaling.media_owner import MediaOwner
from signaling.quality import REPORT_GAP_MS, TransportQuality, is_sampled, qoe_sample

PEER = PeerId("a-secret-peer-id")
T0_MS = 1_767_348_000_000
REPORT = p.ReportQuality(
    peer_id=PEER,
    window_ms=10_000,
    loss_pm=999,
    fps=25,
    width=720,
    height=1280,
    kbps_in=7,
    kbps_out=8,
    freezes=1,
    freeze_ms=310,
    concealed_pm=4,
    rtt_ms=77,
    jitter_ms=9,
    av_skew_ms=-12,
)
PLAYED = QualitySample(PEER, "downlink", 10.004, 1_240_900, 0.012, None)


def owner() -> MediaOwner:
    who = Identity(
        shop=ShopId("shop"),
        room=RoomId("room"),
        subject=Subject("u_ann"),
        user="ann",
        name="Ann",
        role="viewer",
        grants=frozenset(),
    )
    return MediaOwner(who, ConnId("c1"))


def told(quality: TransportQuality, sample: QualitySample, now_ms: int = T0_MS) -> Engagement:
    ref = RoomRef(ShopId("shop"), RoomId("room"))
    return qoe_sample(
        quality, sample, owner(), ref=ref, show_id="show", role="viewer", now_ms=now_ms
    )


def test_one_person_in_ten_is_sampled_and_always_the_same_ones() -> None:
    people = [Subject(f"u_{n}") for n in range(10_000)]
    sampled = [person for person in people if is_sampled(person)]
    assert 900 < len(sampled) < 1_100
    assert [person for person in people if is_sampled(person)] == sampled
    assert [n for n in range(30) if is_sampled(Subject(f"u_{n}"))] == PINNED


PINNED = [10, 28]
"""A change of the hash would sample other people from one release to the next."""


def test_a_sample_is_what_the_retention_store_takes() -> None:
    quality = TransportQuality(PEER, "play")
    quality.take_report(REPORT, T0_MS - 3_000)
    event = told(quality, PLAYED)
    stored, props = decode_untrusted(encode(event, T0_MS))
    assert (stored.type, stored.show_id, stored.subject) == ("qoe.sample", "show", "u_ann")
    assert msgspec.to_builtins(props) == {
        "role": "viewer",
        "dir": "play",
        "window_ms": 10_004,
        "loss_pm": 12,
        "rtt_ms": 77,
        "jitter_ms": 9,
        "kbps_in": 1_240,
        "kbps_out": 8,
        "fps": 25,
        "w": 720,
        "h": 1280,
        "freezes": 1,
        "freeze_ms": 310,
        "concealed_pm": 4,
        "av_skew_ms": -12,
    }


def test_without_a_fresh_report_it_says_what_the_server_measured() -> None:
    quality = TransportQuality(PEER, "publish")
    sample = QualitySample(PEER, "uplink", 10.0, 900_000, 0.2, 41.6, jitter_ms=8.2)
    measured = {
        "role": "viewer",
        "dir": "publish",
        "window_ms": 10_000,
        "kbps_out": 900,
        "loss_pm": 200,
        "rtt_ms": 42,
        "jitter_ms": 8,
    }
    assert told(quality, sample).props == measured
    quality.take_report(REPORT, T0_MS - 20_000)
    assert told(quality, sample).props == measured


def test_a_window_told_twice_is_one_event_and_names_no_secret() -> None:
    quality = TransportQuality(PEER, "play")
    first, again = told(quality, PLAYED), told(quality, PLAYED, T0_MS + 9_999)
    later = told(quality, PLAYED, T0_MS + 10_000)
    other = told(TransportQuality(PeerId("another"), "play"), PLAYED)
    assert first.event_id == again.event_id
    assert len({first.event_id, later.event_id, other.event_id}) == 3
    assert PEER not in repr(first)


def test_reports_that_come_too_often_are_dropped() -> None:
    quality = TransportQuality(PEER, "play")
    newer = msgspec.structs.replace(REPORT, freezes=9)
    assert quality.take_report(REPORT, T0_MS)
    assert not quality.take_report(newer, T0_MS + REPORT_GAP_MS - 1)
    assert quality.report == REPORT
    assert quality.take_report(newer, T0_MS + REPORT_GAP_MS)
    assert quality.report == newer


def test_a_clock_set_back_does_not_silence_a_client() -> None:
    quality = TransportQuality(PEER, "play")
    assert quality.take_report(REPORT, T0_MS)
    assert quality.take_report(REPORT, T0_MS - 60_000)


def test_only_the_first_word_on_joining_counts() -> None:
    quality = TransportQuality(PEER, "play")
    assert quality.take_join(p.ReportJoin(PEER, http_ms=31))
    assert not quality.take_join(p.ReportJoin(PEER, http_ms=99))
    assert quality.join == p.ReportJoin(PEER, http_ms=31)


# --- the figures of a node ------------------------------------------------------------------------


def test_figures_add_up_what_was_measured_and_told() -> None:
    figures = MediaFigures()
    figures.answered("play", 0.03)
    figures.connected("play", PeerConnected(PEER, "", ice_ms=20.0, dtls_ms=None))
    figures.joined("play", p.ReportJoin(PEER, http_ms=31, first_frame_ms=164))
    figures.reported(msgspec.structs.replace(REPORT, freeze_ms=600_000))
    assert figures.answer_s["play"].sum == pytest.approx(0.03)
    assert figures.ice_s["play"].sum == pytest.approx(0.02)
    assert figures.dtls_s["play"].count == figures.answer_s["publish"].count == 0
    assert figures.join_s["play", "http"].sum == pytest.approx(0.031)
    assert figures.join_s["play", "dtls"].count == 0
    assert figures.first_frame_s["play"].sum == pytest.approx(0.164)
    assert (figures.reports, figures.freezes) == (1, 1)
    assert figures.freeze_ms == figures.watched_ms == 10_000


def test_a_window_is_scored_and_its_estimate_kept() -> None:
    figures = MediaFigures()
    figures.sampled("play", msgspec.structs.replace(PLAYED, estimate_bps=900_000), is_silent=False)
    figures.sampled("play", PLAYED, is_silent=True)
    assert figures.score["play"].sum == 4
    assert figures.score["play"].count == 2
    assert (figures.estimate_bps.count, figures.estimate_bps.sum) == (1, 900_000)

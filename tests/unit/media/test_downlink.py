"""A viewer's transport: sender reports that keep lips in sync, and what the viewer reports."""

from __future__ import annotations

import pytest

from media import rtcp
from media.downlink import REPORT_INTERVAL_S, Downlink, OutOptions, OutStream
from media.fanout import FanOutCounters, fan_out
from media.media_clock import MediaClock, PublisherClock
from media.rtp import ABS_SEND_TIME_URI, MID_URI
from media.srtp import AEAD_AES_128_GCM, OutBuffer, SrtpSender
from tests.support.rtp_kit import KeepingSender, feed, source_packet

WALL = 1_790_000_000.0
IDS = {MID_URI: 1, ABS_SEND_TIME_URI: 2}


def options(**changes: object) -> OutOptions:
    settings: dict[str, object] = {
        "mid": "0",
        "kind": "video",
        "ssrc": 100,
        "rtx_ssrc": 101,
        "first_seq": 10,
        "first_timestamp": 1_000_000,
        "first_rtx_seq": 1,
        "extension_ids": IDS,
    }
    settings.update(changes)
    return OutOptions(**settings)  # type: ignore[arg-type]  # a table of settings


class Room:
    """A seat with audio (source 2) and video (source 1), and one viewer of both."""

    def __init__(self) -> None:
        publisher = PublisherClock()
        self.clocks = {1: MediaClock(90_000, publisher), 2: MediaClock(48_000, publisher)}
        self.downlink = Downlink(SrtpSender(AEAD_AES_128_GCM, bytes(28)), ("192.0.2.1", 5000))
        self.video = self.downlink.add_stream(options())
        self.audio = self.downlink.add_stream(
            options(kind="audio", mid="1", ssrc=200, rtx_ssrc=None, first_timestamp=7)
        )
        self.video.point(feed(1))
        self.audio.point(feed(2, clock_rate=48_000))

    def send(self, stream: OutStream, source_id: int, ext_seq: int, now: float) -> None:
        rate = 90_000 if source_id == 1 else 48_000
        ticks = round(now * rate)
        self.clocks[source_id].handle_packet(ticks, now)
        packet = source_packet(
            ext_seq, source_id=source_id, ext_timestamp=ticks, arrival=now, keyframe=True
        )
        fan_out(
            [packet],
            [stream],
            sender=KeepingSender(),
            buffer=OutBuffer(),
            stamp=0,
            counters=FanOutCounters(),
        )

    def reports(self, now: float) -> list[rtcp.RtcpSrPacket]:
        data = self.downlink.poll_reports(now, WALL, self.clocks.get)
        if data is None:
            return []
        parsed = rtcp.parse_compound_untrusted(data)
        return [each for each in parsed if isinstance(each, rtcp.RtcpSrPacket)]


def test_nothing_is_reported_before_something_was_sent() -> None:
    assert Room().reports(1.0) == []


def test_a_stream_reports_at_once_and_then_steadily() -> None:
    room = Room()
    room.send(room.video, 1, 1, 10.0)
    (report,) = room.reports(10.0)
    assert report.ssrc == 100
    assert report.sender_info.packet_count == 1
    assert report.sender_info.octet_count == 20
    assert report.sender_info.ntp_timestamp == rtcp.ntp64(WALL + 10.0)
    assert room.reports(10.1) == []
    assert room.reports(10.0 + REPORT_INTERVAL_S - 0.1) == []
    assert len(room.reports(10.0 + REPORT_INTERVAL_S)) == 1


def test_a_switch_reports_at_once() -> None:
    room = Room()
    room.clocks[3] = MediaClock(90_000, PublisherClock())
    room.send(room.video, 1, 1, 10.0)
    room.reports(10.0)
    room.video.point(feed(3))
    room.clocks[3].handle_packet(0, 10.2)
    packet = source_packet(1, source_id=3, ext_timestamp=0, arrival=10.2, keyframe=True)
    switched = fan_out(
        [packet],
        [room.video],
        sender=KeepingSender(),
        buffer=OutBuffer(),
        stamp=0,
        counters=FanOutCounters(),
    )
    assert switched == [room.video]
    (report,) = room.reports(10.2)
    segment = room.video.forwarder.segment
    assert segment is not None
    assert report.sender_info.rtp_timestamp == segment.first_timestamp


def test_a_better_clock_reports_at_once() -> None:
    room = Room()
    room.send(room.video, 1, 1, 10.0)
    room.reports(10.0)
    room.clocks[1].handle_sender_report(5.0, 900_000, 10.1)
    assert len(room.reports(10.1)) == 1


def test_lips_stay_in_sync() -> None:
    """Sound and picture of one instant get timestamps that the reports place together."""
    room = Room()
    room.send(room.video, 1, 1, 10.0)
    room.send(room.audio, 2, 1, 10.0)
    room.clocks[1].handle_sender_report(5.0, 900_000, 10.03)
    room.clocks[2].handle_sender_report(5.0, 480_000, 10.05)
    reports = {report.ssrc: report.sender_info for report in room.reports(12.0)}
    assert set(reports) == {100, 200}
    assert reports[100].ntp_timestamp == reports[200].ntp_timestamp
    video_segment, audio_segment = room.video.forwarder.segment, room.audio.forwarder.segment
    assert video_segment is not None
    assert audio_segment is not None
    picture = 900_000 + video_segment.timestamp_offset
    sound = 480_000 + audio_segment.timestamp_offset
    picture_age = ((reports[100].rtp_timestamp - picture) & 0xFFFFFFFF) / 90_000
    sound_age = ((reports[200].rtp_timestamp - sound) & 0xFFFFFFFF) / 48_000
    assert picture_age == pytest.approx(sound_age, abs=0.001)


def test_a_source_that_is_gone_or_paused_is_not_reported() -> None:
    room = Room()
    room.send(room.video, 1, 1, 10.0)
    del room.clocks[1]
    assert room.reports(10.0) == []
    room = Room()
    room.send(room.video, 1, 1, 10.0)
    room.video.forwarder.pause()
    assert room.reports(10.0) == []


def test_a_clock_that_knows_nothing_is_not_reported() -> None:
    room = Room()
    room.send(room.video, 1, 1, 10.0)
    room.clocks[1] = MediaClock(90_000, PublisherClock())
    assert room.reports(10.0) == []


def test_streams_are_found_by_either_ssrc() -> None:
    room = Room()
    assert room.downlink.stream_of(100) is room.video
    assert room.downlink.stream_of(101) is room.video
    assert room.downlink.stream_of(200) is room.audio
    assert room.downlink.stream_of(999) is None


@pytest.mark.parametrize(
    ("lsr", "dlsr", "rtt_s"),
    [
        (0, 0, None),  # no sender report seen yet
        (0x0001_0000, 0x0000_8000, 0.5),
        (0xFFFF_8000, 0, 2.5),  # the middle of NTP wraps
        (0x0003_0000, 0, None),  # from the future
    ],
)
def test_what_a_viewer_reports(lsr: int, dlsr: int, rtt_s: float | None) -> None:
    stream = Room().video
    report = rtcp.RtcpReceiverInfo(
        ssrc=100,
        fraction_lost=64,
        packets_lost=1,
        highest_sequence=1,
        jitter=5,
        lsr=lsr,
        dlsr=dlsr,
    )
    stream.handle_report(report, 0x0002_0000)
    stats = stream.stats()
    assert (stats.loss, stats.jitter_ticks, stats.rtt_s) == (0.25, 5, rtt_s)


@pytest.mark.parametrize(
    ("kind", "rtx_ssrc", "can_nack", "is_stamped", "can_resend"),
    [
        ("video", 101, True, True, True),
        ("video", None, True, False, True),
        ("video", None, False, True, False),
        ("audio", None, True, False, True),
        ("audio", None, False, True, False),
        ("audio", 101, True, True, True),
    ],
)
def test_stamps_and_resends_exclude_each_other_without_rtx(
    kind: str, rtx_ssrc: int | None, can_nack: bool, is_stamped: bool, can_resend: bool
) -> None:
    stream = OutStream(options(kind=kind, rtx_ssrc=rtx_ssrc, can_nack=can_nack), Downlink())
    assert stream.layout.is_stamped is is_stamped
    assert stream.can_resend is can_resend

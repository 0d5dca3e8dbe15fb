"""What a watching browser sends, minute by hand-made minute."""

from __future__ import annotations

import pytest
from aiortc.rtp import RtcpPacket, RtcpPsfbPacket, RtcpRrPacket, RtcpSdesPacket, unpack_remb_fci

from loadtest.rtc.feedback import (
    KEY_FRAME_WAIT_S,
    LEAST_REMB_BPS,
    PLI_EVERY_S,
    REPORT_EVERY_S,
    Feedback,
)
from loadtest.rtc.nack import MOST_TRIES, REORDER_WAIT_S
from loadtest.rtc.negotiation import Format
from loadtest.rtc.peer_counts import PeerCounts
from loadtest.rtc.rtcp import Nack, PictureLoss, parse_untrusted
from loadtest.rtc.stream_count import StreamCount

OURS, VIDEO, AUDIO = 1, 20, 10
RTT_S = 0.02
VP8 = Format("video", "VP8", 90_000, frozenset({"nack", "nack pli", "goog-remb"}))
OPUS = Format("audio", "opus", 48_000, frozenset())


class World:
    """A feedback machine with a video and an audio stream, begun at `now`."""

    def __init__(
        self, *, rsize: bool = True, uses_remb: bool = True, remb_bps: int | None = None
    ) -> None:
        self.counts = PeerCounts()
        self.feedback = Feedback(
            OURS, self.counts, rsize=rsize, uses_remb=uses_remb, remb_bps=remb_bps
        )
        self.now = 100.0
        self.video, self.audio = StreamCount("video", 96), StreamCount("audio", 111)
        for ssrc, stream, format_ in ((VIDEO, self.video, VP8), (AUDIO, self.audio, OPUS)):
            self.feedback.add(ssrc, stream, format_, self.now)
            stream.take(0, 1000)

    def after(self, seconds: float) -> list[bytes]:
        self.now += seconds
        received = self.video.bytes + self.audio.bytes
        return self.feedback.take_due(self.now, RTT_S, received)


def test_a_report_every_second() -> None:
    world = World()
    world.feedback.take_key_frame(VIDEO)
    assert world.after(REPORT_EVERY_S - 0.001) == []
    (compound,) = world.after(0.001)
    report, names, remb = RtcpPacket.parse(compound)
    assert isinstance(report, RtcpRrPacket)
    assert isinstance(names, RtcpSdesPacket)
    assert isinstance(remb, RtcpPsfbPacket)
    assert {block.ssrc for block in report.reports} == {VIDEO, AUDIO}
    assert world.after(0.5) == []
    assert len(world.after(0.5)) == 1
    assert (world.counts.rrs_sent, world.counts.rembs_sent) == (2, 2)


def test_remb_is_what_arrives_and_a_half_more() -> None:
    world = World()
    world.feedback.take_key_frame(VIDEO)
    for number in range(1, 101):
        world.video.take(number, 1000)
    (compound,) = world.after(1.0)
    remb = RtcpPacket.parse(compound)[2]
    assert isinstance(remb, RtcpPsfbPacket)
    bitrate, ssrcs = unpack_remb_fci(remb.fci)
    assert bitrate == pytest.approx(102_000 * 8 * 1.5, rel=0.01)
    assert ssrcs == [VIDEO]
    # Silence never asks for nothing at all.
    (compound,) = world.after(1.0)
    remb = RtcpPacket.parse(compound)[2]
    assert isinstance(remb, RtcpPsfbPacket)
    assert unpack_remb_fci(remb.fci)[0] == LEAST_REMB_BPS


def test_remb_may_be_fixed_or_absent() -> None:
    fixed, without = World(remb_bps=500_000), World(uses_remb=False)
    for world in (fixed, without):
        world.feedback.take_key_frame(VIDEO)
    remb = RtcpPacket.parse(fixed.after(1.0)[0])[2]
    assert isinstance(remb, RtcpPsfbPacket)
    assert unpack_remb_fci(remb.fci)[0] == 500_000
    assert len(RtcpPacket.parse(without.after(1.0)[0])) == 2
    assert without.counts.rembs_sent == 0


def test_video_holes_are_asked_for_and_audio_holes_are_not() -> None:
    world = World()
    world.feedback.take_key_frame(VIDEO)
    world.video.take(2, 1000)
    world.audio.take(2, 100)
    assert world.after(0.0) == []
    (nack,) = world.after(REORDER_WAIT_S)
    assert parse_untrusted(nack) == [Nack(VIDEO, (1,))]
    assert world.counts.nacks_sent == 1


def test_without_reduced_size_a_report_goes_first() -> None:
    world = World(rsize=False)
    world.feedback.take_key_frame(VIDEO)
    world.video.take(2, 1000)
    world.after(0.0)
    (compound,) = world.after(REORDER_WAIT_S)
    report, names, _ = RtcpPacket.parse(compound)
    assert isinstance(report, RtcpRrPacket)
    assert isinstance(names, RtcpSdesPacket)
    assert parse_untrusted(compound) == [Nack(VIDEO, (1,))]
    assert world.counts.rrs_sent == 0, "an empty report is none"


def test_without_a_key_frame_a_picture_is_asked_for_each_second() -> None:
    world = World()
    assert world.feedback.awaits_key_frame(VIDEO)
    assert not world.feedback.awaits_key_frame(AUDIO)
    assert world.after(KEY_FRAME_WAIT_S - 0.01) == []
    assert [parse_untrusted(each) for each in world.after(0.01)] == [[PictureLoss(VIDEO)]]
    assert world.after(PLI_EVERY_S - 0.3) == []
    asked = [event for each in world.after(0.3) for event in parse_untrusted(each)]
    assert asked == [PictureLoss(VIDEO)]
    world.feedback.take_key_frame(VIDEO)
    assert not world.feedback.awaits_key_frame(VIDEO)
    later = [event for each in world.after(5.0) for event in parse_untrusted(each)]
    assert later == []
    assert world.counts.plis_sent == 2


def test_a_hole_that_is_given_up_asks_for_a_picture() -> None:
    world = World()
    world.feedback.take_key_frame(VIDEO)
    world.video.take(2, 1000)
    world.after(0.0)
    for _ in range(MOST_TRIES):
        assert Nack(VIDEO, (1,)) in [e for each in world.after(0.06) for e in parse_untrusted(each)]
    events = [event for each in world.after(0.06) for event in parse_untrusted(each)]
    assert events == [PictureLoss(VIDEO)]
    assert world.feedback.awaits_key_frame(VIDEO)


def test_sender_reports_and_jitter_go_into_the_block() -> None:
    world = World()
    world.feedback.take_key_frame(VIDEO)
    world.feedback.take_sender_report(VIDEO, 0x1111_2222_3333_4444, world.now)
    world.feedback.arrived(VIDEO, 0, 5.0)
    world.feedback.arrived(VIDEO, 0, 5.1)
    world.feedback.arrived(999, 0, 5.0)
    world.feedback.take_sender_report(999, 1, world.now)
    report = RtcpPacket.parse(world.after(1.0)[0])[0]
    assert isinstance(report, RtcpRrPacket)
    (block,) = [each for each in report.reports if each.ssrc == VIDEO]
    assert (block.lsr, block.dlsr) == (0x2222_3333, 65_536)
    assert block.jitter == 9000 // 16

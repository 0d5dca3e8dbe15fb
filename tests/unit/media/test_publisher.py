"""A publisher's packets find their tracks; what belongs to none is dropped and bounded."""

from __future__ import annotations

import itertools

from media import rtcp
from media.publisher import MAX_SSRCS
from media.seam import SlotLive, TrackStarted
from tests.support.plane_client import Publisher
from tests.support.plane_offer import AUDIO_PT, TWCC_ID, VP8_PT, VP8_RTX_PT
from tests.support.plane_world import World
from tests.support.rtp_kit import rtp_bytes
from tests.support.twcc_reader import read_feedback


def connected(world: World, **offer: object) -> Publisher:
    host = world.publish("host", **offer)
    world.run(0.5)
    assert host.is_connected
    return host


def dropped(world: World) -> dict[str, int]:
    return world.stats("host").peers[0].dropped


def test_without_announced_ssrcs_the_payload_type_tells_the_track() -> None:
    world = World()
    host = world.publish("host", announces=False)
    viewer = world.play("ann")
    world.run(1.5)
    assert {event.track.source for event in world.of(TrackStarted)} == {"microphone", "camera"}
    world.point(viewer, "1", host.camera_id, 1)
    world.run(1.2)
    assert world.of(SlotLive)
    assert host.plis, "feedback knows the SSRC that was learned"


def test_packets_of_no_track_are_dropped() -> None:
    world = World()
    host = connected(world)
    host.send_rtp(rtp_bytes(1, ssrc=0x7777, payload_type=50))
    world.run(0.05)
    assert dropped(world) == {"unknown_ssrc": 1}


def test_a_second_ssrc_of_a_track_is_not_mixed_in() -> None:
    world = World()
    host = connected(world)
    host.send_rtp(rtp_bytes(1, ssrc=0x7777, payload_type=VP8_PT))
    world.run(0.05)
    assert dropped(world) == {"ssrc": 1}


def test_the_number_of_ssrcs_is_bounded() -> None:
    world = World()
    host = connected(world)
    for ssrc in range(1000, 1000 + 2 * MAX_SSRCS):
        host.send_rtp(rtp_bytes(1, ssrc=ssrc, payload_type=AUDIO_PT))
    world.run(0.1)
    assert dropped(world)["ssrc"] < MAX_SSRCS
    assert dropped(world)["unknown_ssrc"] > MAX_SSRCS


def test_malformed_packets_are_counted_by_what_is_wrong() -> None:
    world = World()
    host = connected(world)
    host.camera.is_on = False
    cut_descriptor = b"\x80\x80"
    host.send_rtp(video_packet(host, 1, payload=cut_descriptor))
    cut_element = video_packet(host, 2, payload=b"\xbe\xde\x00\x01\x1f\x00\x00\x00")
    host.send_rtp(bytes((cut_element[0] | 0x10,)) + cut_element[1:])
    too_padded = video_packet(host, 3, payload=b"\xff")
    host.send_rtp(bytes((too_padded[0] | 0x20,)) + too_padded[1:])
    world.run(0.05)
    assert dropped(world) == {
        "vp8_descriptor_truncated": 1,
        "rtp_extension_truncated": 1,
        "rtp_padding": 1,
    }


def video_packet(host: Publisher, ahead: int, payload: bytes) -> bytes:
    seq = host.camera.seq + ahead
    return rtp_bytes(seq, ssrc=host.MEDIA_SSRC, payload_type=VP8_PT, payload=payload)


def test_sender_reports_of_other_streams_change_nothing() -> None:
    world = World()
    host = connected(world)
    host.send_rtcp(rtcp.build_sender_report(0x7777, 1, 1, 1, 1))
    host.send_rtcp(rtcp.build_sender_report(host.RTX_SSRC, 1, 1, 1, 1))
    world.run(0.1)
    assert dropped(world) == {}


def test_an_unconnected_publisher_has_no_feedback_to_send_and_no_timer_for_it() -> None:
    world = World()
    host = world.publish("host")
    host.vanish()
    viewer = world.play("ann")
    world.run(0.5)
    world.point(viewer, "1", host.camera_id, 1)
    deadline = world.plane.next_deadline()
    assert deadline is not None
    assert deadline >= world.now


def test_a_publisher_hears_reports_and_an_estimate_only_where_it_asked_for_one() -> None:
    world = World()
    host = connected(world)
    world.run(2)
    estimates = [rtcp.remb_bps(packet) for packet in host.feedback]
    assert 4_000_000 in [None if each is None else round(each, -5) for each in estimates]
    reported = {
        block.ssrc
        for packet in host.feedback
        if isinstance(packet, rtcp.RtcpRrPacket)
        for block in packet.reports
    }
    assert reported == {host.MEDIA_SSRC, host.AUDIO_SSRC}


# --- transport-wide feedback ----------------------------------------------------------------------


def told(host: Publisher) -> list[int]:
    """The packets that the publisher was told had arrived."""
    return [seq for data in host.twcc for seq in read_feedback(data).received]


def test_audio_video_and_strangers_share_one_sequence() -> None:
    world = World()
    host = connected(world, twcc=True)
    host.camera.is_on = host.microphone.is_on = False
    world.run(0.2)
    host.twcc.clear()
    first = host.transport_seq
    streams = (
        (host.AUDIO_SSRC, AUDIO_PT, host.microphone.seq),
        (host.MEDIA_SSRC, VP8_PT, host.camera.seq),
        (host.RTX_SSRC, VP8_RTX_PT, 40),
        (0x7777, 50, 40),
    )
    for number in range(8):
        ssrc, payload_type, seq = streams[number % 4]
        value = (first + number).to_bytes(2, "big")
        packet = rtp_bytes(
            seq + number // 4, ssrc=ssrc, payload_type=payload_type, extensions={TWCC_ID: value}
        )
        host.send_rtp(packet)
        world.run(0.01)
    world.run(0.3)
    assert told(host) == list(range(first, first + 8))
    feedback = [read_feedback(data) for data in host.twcc]
    assert {each.media_ssrc for each in feedback} == {host.AUDIO_SSRC}
    gaps_us = [
        later - earlier
        for each in feedback
        for earlier, later in itertools.pairwise(each.received.values())
    ]
    assert gaps_us, "some report has several"
    assert set(gaps_us) == {10_000}


def test_feedback_waits_for_no_further_packet() -> None:
    world = World()
    host = connected(world, twcc=True)
    host.camera.is_on = host.microphone.is_on = False
    world.run(0.2)
    assert told(host)[-1] == host.transport_seq - 1
    count = len(host.twcc)
    world.run(1)
    assert len(host.twcc) == count, "nothing new, nothing to say"


def test_feedback_goes_on_while_packets_are_lost_and_late() -> None:
    world = World(3)
    host = connected(world, twcc=True)
    host.up.loss, host.up.reorder = 0.2, 0.2
    world.run(5)
    sent = host.transport_seq - 65_530 & 0xFFFF
    assert 0.7 < len(set(told(host))) / sent < 0.9
    stats = world.stats("host").peers[0]
    assert len(set(told(host))) <= stats.packets_in
    assert 50 <= stats.twcc_out - 3 <= len(host.twcc) <= stats.twcc_out <= 110


def test_who_numbers_its_packets_gets_no_fixed_estimate() -> None:
    world = World()
    host = connected(world, twcc=True)
    world.run(2)
    assert any(isinstance(packet, rtcp.RtcpRrPacket) for packet in host.feedback)
    assert [rtcp.remb_bps(packet) for packet in host.feedback if rtcp.remb_bps(packet)] == []


def test_who_agreed_on_no_numbers_hears_nothing_of_them() -> None:
    world = World()
    host = connected(world)
    host.microphone.is_on = False
    seq = host.microphone.seq
    extensions = {TWCC_ID: b"\x00\x01"}
    host.send_rtp(
        rtp_bytes(seq, ssrc=host.AUDIO_SSRC, payload_type=AUDIO_PT, extensions=extensions)
    )
    world.run(0.5)
    assert host.twcc == []
    assert world.stats("host").peers[0].twcc_out == 0

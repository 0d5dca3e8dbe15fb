"""A publisher's packets find their tracks; what belongs to none is dropped and bounded."""

from __future__ import annotations

from media import rtcp
from media.publisher import MAX_SSRCS
from media.seam import SlotLive, TrackStarted
from tests.support.plane_client import Publisher
from tests.support.plane_offer import AUDIO_PT, VP8_PT
from tests.support.plane_world import World
from tests.support.rtp_kit import rtp_bytes


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

"""A viewer's feedback: lost packets come again, reports and estimates are kept."""

from __future__ import annotations

from collections import Counter

import pytest

from media import rtcp
from media.seam import QualitySample
from tests.support.plane_client import Publisher, Received, Viewer
from tests.support.plane_offer import SEND_TIME_ID
from tests.support.plane_world import WALL_OFFSET_S, World

AUDIO, VIDEO = "0", "1"


def watching(world: World, **offer: bool) -> tuple[Publisher, Viewer]:
    host, viewer = world.publish("host"), world.play("ann", **offer)
    world.run(1.2)
    world.point(viewer, AUDIO, host.microphone_id, 1)
    world.point(viewer, VIDEO, host.camera_id, 1)
    world.run(1.2)
    assert viewer.media(VIDEO)
    return host, viewer


def lose_some(world: World, viewer: Viewer) -> list[int]:
    """Outgoing video numbers that a short cut swallowed."""
    before = viewer.media(VIDEO)[-1].header.seq
    viewer.down.is_cut = True
    world.run(0.1)
    viewer.down.is_cut = False
    count = len(viewer.media(VIDEO))
    while len(viewer.media(VIDEO)) == count:
        world.step()
    after = viewer.media(VIDEO)[count].header.seq
    lost = [(before + n) & 0xFFFF for n in range(1, (after - before) & 0xFFFF)]
    assert lost
    return lost


def again(viewer: Viewer) -> list[Received]:
    return [packet for packet in viewer.received[VIDEO] if packet.original is not None]


# --- loss downstream ------------------------------------------------------------------------------


def test_lost_packets_come_again_by_rtx() -> None:
    world = World()
    host, viewer = watching(world)
    lost = lose_some(world, viewer)
    viewer.send_nack(VIDEO, lost)
    world.run(0.1)
    resent = again(viewer)
    assert [packet.original for packet in resent] == lost
    assert {packet.header.ssrc for packet in resent} == {viewer.rtx_ssrc[VIDEO]}
    numbers = sorted(packet.source_seq for packet in viewer.received[VIDEO])
    assert numbers == list(range(numbers[0], numbers[-1] + 1)), "nothing is missing, nothing twice"
    sent_at = rtcp.ntp24(resent[0].at - viewer.down.delay_s + WALL_OFFSET_S)
    stamp = int.from_bytes(resent[0].extensions[SEND_TIME_ID], "big")
    assert abs(stamp - sent_at) < 0.006 * 2**18, "stamped anew"
    assert host.nacked == [], "our own ring answered"


def test_without_rtx_a_lost_packet_comes_again_bit_for_bit() -> None:
    world = World()
    _, viewer = watching(world, rtx=False)
    assert all(SEND_TIME_ID not in packet.extensions for packet in viewer.media(VIDEO))
    lost = lose_some(world, viewer)
    mark = len(world.sent)
    viewer.send_nack(VIDEO, lost)
    world.run(0.1)
    earlier = Counter(data for _, data in world.sent[:mark])
    repeated = [data for _, data in world.sent[mark:] if data in earlier]
    assert len(repeated) == len(lost)
    got = {packet.header.seq for packet in viewer.media(VIDEO)}
    assert got >= set(lost)


@pytest.mark.parametrize("is_offered", [True, False])
def test_sound_comes_again_bit_for_bit_where_that_was_offered(is_offered: bool) -> None:
    world = World()
    _, viewer = watching(world, audio_nack=is_offered)
    is_stamped = [SEND_TIME_ID in packet.extensions for packet in viewer.media(AUDIO)]
    assert set(is_stamped) == {not is_offered}
    last = viewer.media(AUDIO)[-1].header.seq
    mark = len(world.sent)
    viewer.send_nack(AUDIO, [last, (last - 1) & 0xFFFF])
    world.run(0.05)
    earlier = {data for _, data in world.sent[:mark]}
    repeated = [data for _, data in world.sent[mark:] if data in earlier]
    assert len(repeated) == (2 if is_offered else 0)


def test_numbers_never_sent_are_not_answered() -> None:
    world = World()
    _, viewer = watching(world)
    last = viewer.media(VIDEO)[-1].header.seq
    viewer.send_nack(VIDEO, [(last + 5000 + n) & 0xFFFF for n in range(50)])
    world.run(0.1)
    assert again(viewer) == []
    assert world.stats("ann").peers[0].resend_missing == 50


def test_a_nack_storm_is_cut_short() -> None:
    world = World()
    _, viewer = watching(world)
    last = viewer.media(VIDEO)[-1].header.seq
    for _ in range(40):
        viewer.send_nack(VIDEO, [(last - n) & 0xFFFF for n in range(40, 0, -1)])
    world.run(0.03)
    assert 150 < len(again(viewer)) < 250


def test_after_a_switch_packets_of_the_old_source_still_come_again() -> None:
    world = World()
    _, viewer = watching(world)
    guest = world.publish("guest")
    world.run(1.2)
    viewer.down.is_cut = True
    world.run(0.05)
    world.point(viewer, VIDEO, guest.camera_id, 2)
    world.run(1.2)
    viewer.down.is_cut = False
    world.run(0.05)
    first = next(packet for packet in viewer.media(VIDEO) if packet.source == "guest")
    lost = [(first.header.seq - n) & 0xFFFF for n in range(100, 0, -1)]
    viewer.send_nack(VIDEO, lost)
    world.run(0.2)
    assert {packet.source for packet in again(viewer)} == {"host", "guest"}


# --- loss upstream --------------------------------------------------------------------------------


@pytest.mark.parametrize("rtx", [True, False])
@pytest.mark.parametrize("seed", [1, 2])
def test_holes_of_the_publisher_are_asked_for_and_filled(rtx: bool, seed: int) -> None:
    world = World(seed)
    host, viewer = world.publish("host", rtx=rtx), world.play("ann")
    world.run(1.2)
    world.point(viewer, VIDEO, host.camera_id, 1)
    world.run(1.2)
    host.up.loss, host.up.reorder, host.down.loss = 0.05, 0.05, 0.05
    world.run(5)
    host.up.loss = host.up.reorder = host.down.loss = 0
    world.run(1)
    assert host.nacked
    numbers = sorted(packet.source_seq for packet in viewer.media(VIDEO))
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert len(numbers) > 300
    stats = world.stats("host").peers[0]
    assert stats.nacks_out >= len(set(host.nacked))
    assert stats.recovered > 10


def test_a_number_is_never_used_for_two_packets() -> None:
    """DESIGN 3.7, seen from the wire: one SRTP sequence number, one ciphertext."""
    world = World(5)
    host, viewer = watching(world, rtx=False)
    guest = world.publish("guest")
    host.up.loss, host.up.reorder, viewer.down.loss = 0.1, 0.1, 0.1
    for generation in range(2, 10):
        world.point(viewer, VIDEO, (host, guest)[generation % 2].camera_id, generation)
        world.run(0.9)
        last = viewer.media(VIDEO)[-1].header.seq
        viewer.send_nack(VIDEO, [(last - n) & 0xFFFF for n in range(30)])
        world.pause(viewer, VIDEO, generation % 3 == 0)
    by_number: dict[bytes, set[bytes]] = {}
    for data in world.sent_to(viewer.address):
        if data[0] & 0xC0 == 0x80 and data[1] & 0x7F == 96:
            by_number.setdefault(data[2:4] + data[8:12], set()).add(data)
    assert len(by_number) > 200
    assert max(len(each) for each in by_number.values()) == 1


# --- reports, estimates, requests -----------------------------------------------------------------


def test_reports_and_estimates_are_kept() -> None:
    world = World()
    _, viewer = watching(world)
    report = viewer.reports(VIDEO)[-1]
    since_s = world.now - viewer.rtcp_times[viewer.feedback.index(report)]
    block = rtcp.RtcpReceiverInfo(
        ssrc=viewer.media_ssrc[VIDEO],
        fraction_lost=64,
        packets_lost=9,
        highest_sequence=1,
        jitter=3,
        lsr=rtcp.compact_ntp(report.sender_info.ntp_timestamp),
        dlsr=round(since_s * 65536),
    )
    viewer.send_rtcp(rtcp.build_receiver_report(1, [block]) + rtcp.build_remb(1, 900_000, [1]))
    world.run(0.1)
    stats = world.stats("ann").peers[0]
    assert stats.rtt_ms == pytest.approx(20, abs=6)
    assert stats.estimate_bps == pytest.approx(900_000, rel=0.01)
    world.run(11)
    sample = [each for each in world.of(QualitySample) if each.direction == "downlink"][-1]
    assert sample.loss == 0.25


@pytest.mark.parametrize("way", ["pli", "pli_rtx", "fir"])
def test_requests_for_a_key_frame_reach_the_publisher(way: str) -> None:
    world = World()
    host, viewer = watching(world)
    before = host.plis
    if way == "fir":
        viewer.send_rtcp(rtcp.build_fir(1, viewer.media_ssrc[VIDEO], 1))
    elif way == "pli_rtx":
        viewer.send_rtcp(rtcp.build_pli(1, viewer.rtx_ssrc[VIDEO]))
    else:
        viewer.send_pli(VIDEO)
    world.run(0.5)
    assert host.plis == before + 1


def test_feedback_about_streams_he_does_not_have_is_ignored() -> None:
    world = World()
    host, viewer = watching(world)
    before = host.plis
    viewer.send_rtcp(rtcp.build_pli(1, 77) + rtcp.build_nack(1, 77, [1, 2, 3]))
    viewer.send_rtcp(rtcp.build_fir(1, 77, 0) + rtcp.build_bye([1]) + rtcp.build_sdes(1, "x"))
    world.run(0.5)
    assert host.plis == before
    assert again(viewer) == []


def test_malformed_rtcp_is_counted() -> None:
    world = World()
    _, viewer = watching(world)
    viewer.send_rtcp(rtcp.build_pli(1, 77) + b"\x80\xc9\x00\x20")
    world.run(0.1)
    assert world.stats("ann").peers[0].dropped["bad_rtcp"] == 1

"""Counters of peers as they cross the seam, and their sums, which only grow."""

from __future__ import annotations

import pytest

from media import rtcp
from media.seam import PeerStats
from media.stats import TRAFFIC
from tests.support.plane_world import World

AUDIO, VIDEO = "0", "1"


def one(world: World, peer: str) -> PeerStats:
    (stats,) = world.stats(peer).peers
    return stats


def test_the_state_follows_the_transport() -> None:
    world = World()
    host = world.publish("host")
    assert (one(world, "host").state, one(world, "host").srtp_profile) == ("new", None)
    while not host.checks_answered:
        world.step()
    assert one(world, "host").state == "connecting"
    world.run(0.5)
    assert one(world, "host").state == "connected"
    assert one(world, "host").srtp_profile == "SRTP_AEAD_AES_128_GCM"


def test_a_publishers_losses_and_repairs() -> None:
    world = World(2)
    host = world.publish("host")
    world.run(1)
    host.up.loss = 0.1
    world.run(3)
    host.up.loss = 0.0
    world.run(2)
    stats = one(world, "host")
    assert stats.nacks_out >= stats.recovered > 5
    assert 0 < stats.lost_in < 25, "audio only: it has no NACK here"
    assert (stats.retransmitted, stats.lost_out) == (0, 0)
    assert stats.rtt_ms == pytest.approx(20, abs=11)
    assert stats.packets_out == stats.nacks_in == 0
    assert stats.dropped == {}


def test_a_viewers_bytes_and_resends() -> None:
    world = World()
    host, viewer = world.publish("host"), world.play("ann")
    world.run(1.2)
    world.point(viewer, VIDEO, host.camera_id, 1)
    world.run(1.5)
    host.camera.is_on = False
    world.run(0.1)
    got = viewer.media(VIDEO)
    viewer.send_nack(VIDEO, [packet.header.seq for packet in got[-3:]])
    world.run(0.1)
    stats = one(world, "ann")
    assert stats.packets_out == len(got)
    assert stats.bytes_out == sum(len(packet.payload) + 12 for packet in got)
    assert (stats.retransmitted, stats.nacks_in) == (3, 1)
    assert (stats.rtt_ms, stats.estimate_bps) == (None, None)


def test_totals_outlive_their_peers() -> None:
    world = World()
    host, viewer = world.publish("host"), world.play("ann")
    world.run(1.2)
    world.point(viewer, VIDEO, host.camera_id, 1)
    world.run(1.5)
    before = world.stats().totals
    assert before["packets_in"] > 0
    assert before["packets_out"] > 0
    world.close(viewer)
    world.close(host)
    after = world.stats().totals
    assert [after[name] for name in TRAFFIC] == [before[name] for name in TRAFFIC]
    assert (after["opened"], after["closed"], after["peers"]) == (2, 2, 0)


def test_totals_are_the_sums_of_the_peers() -> None:
    world = World(4)
    host, viewer = world.publish("host", twcc=True), world.play("ann")
    host.up.loss = viewer.down.loss = 0.05
    world.run(1.5)
    world.point(viewer, VIDEO, host.camera_id, 1)
    world.point(viewer, AUDIO, host.microphone_id, 1)
    world.run(3)
    last = viewer.media(VIDEO)[-1].header.seq
    viewer.send_nack(VIDEO, [(last + n) & 0xFFFF for n in range(-20, 20)])
    viewer.send_pli(VIDEO)
    ours = viewer.media_ssrc[VIDEO]
    viewer.send_rtcp(
        rtcp.build_receiver_report(1, [rtcp.RtcpReceiverInfo(ours, 13, 7, last, 0, 0, 0)])
    )
    world.run(1.2)
    stats = world.stats()
    switches = sum(slot.switches for peer in stats.peers for slot in peer.slots)
    assert stats.totals["switches"] == switches
    for name in TRAFFIC[:-1]:
        assert stats.totals[name] == sum(getattr(peer, name) for peer in stats.peers), name
    assert all(stats.totals[name] for name in TRAFFIC)


def test_a_viewers_losses_are_what_it_reports() -> None:
    world = World()
    host, viewer = world.publish("host"), world.play("ann")
    world.run(1.2)
    world.point(viewer, VIDEO, host.camera_id, 1)
    world.run(1.5)
    ssrc = viewer.media_ssrc[VIDEO]
    for fraction, lost in ((64, 9), (0, 7), (0, 0x7FFFFF)):
        report = rtcp.RtcpReceiverInfo(ssrc, fraction, lost, 0, 0, 0, 0)
        viewer.send_rtcp(rtcp.build_receiver_report(1, [report]))
        world.run(0.1)
        stats = one(world, "ann")
        assert stats.loss == fraction / 256
        if lost < 100:
            assert stats.lost_out == 9, "a counter never goes back"
    assert stats.lost_out <= stats.packets_out, "nor beyond what was sent"

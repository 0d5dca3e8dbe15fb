"""Quality over windows of ten seconds: rates of the window, not since the beginning."""

from __future__ import annotations

import pytest

from media import rtcp
from media.seam import QualitySample
from tests.support.plane_world import World

AUDIO, VIDEO = "0", "1"


def samples(world: World, direction: str) -> list[QualitySample]:
    return [each for each in world.of(QualitySample) if each.direction == direction]


def test_an_uplinks_bitrate_is_that_of_the_window() -> None:
    world = World()
    host = world.publish("host")
    world.run(11)
    host.camera.is_on = host.microphone.is_on = False
    world.run(22)
    first, *_, last = samples(world, "uplink")
    assert first.bitrate_bps == pytest.approx(30 * (108 + 68 + 24) * 8 + 50 * 30 * 8, rel=0.2)
    assert last.bitrate_bps == 0
    assert last.loss == 0
    assert first.jitter_ms is not None
    assert 0 <= first.jitter_ms < 50


def test_an_uplinks_loss_is_what_never_came() -> None:
    world = World(3)
    host = world.publish("host")
    host.camera.ignores_nacks = True
    world.run(1)
    host.up.loss = 0.1
    world.run(10)
    host.up.loss = 0.0
    world.run(22)
    first, *_, last = samples(world, "uplink")
    assert first.loss == pytest.approx(0.1, abs=0.05)
    assert last.loss == 0


def test_losses_that_rtx_mended_do_not_count() -> None:
    world = World(3)
    host = world.publish("host", audio=0)
    world.run(1)
    host.up.loss = 0.1
    world.run(9)
    host.up.loss = 0.0
    world.run(1.5)
    assert samples(world, "uplink")[0].loss < 0.01


def test_a_downlink_has_the_viewers_own_word() -> None:
    world = World()
    host, viewer = world.publish("host"), world.play("ann")
    world.run(1.2)
    world.point(viewer, VIDEO, host.camera_id, 1)
    world.point(viewer, AUDIO, host.microphone_id, 1)
    world.run(2)
    for mid, lost in ((AUDIO, 0), (VIDEO, 128)):
        block = rtcp.RtcpReceiverInfo(
            ssrc=viewer.media_ssrc[mid],
            fraction_lost=lost,
            packets_lost=0,
            highest_sequence=0,
            jitter=0,
            lsr=0,
            dlsr=0,
        )
        viewer.send_rtcp(rtcp.build_receiver_report(1, [block]))
    world.run(9)
    (sample,) = samples(world, "downlink")
    assert sample.loss == 0.5
    assert sample.rtt_ms is None
    assert sample.bitrate_bps > 30_000

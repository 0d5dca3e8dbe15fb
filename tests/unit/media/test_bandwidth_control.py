"""Bandwidth through a whole plane in memory: a simulcast publisher, a viewer behind a bad link."""

from __future__ import annotations

from itertools import pairwise

import pytest

from loadtest.network.conditions import Conditions
from media import bandwidth_control
from media.seam import PauseSlot, ShapeSlot, SlotStats
from media.viewer_bandwidth import CONTENT_S
from tests.support.plane_client import Viewer
from tests.support.plane_offer import OfferText
from tests.support.plane_world import World
from tests.support.reporting_viewer import ReportingViewer, narrow, play_reporting
from tests.support.simulcast_client import TIDS, SimulcastPublisher, publish_simulcast

AUDIO, VIDEO = "0", "1"


def wide(rate_bps: float | None = 3e6, loss: float = 0.0) -> Conditions:
    return Conditions(rate_bps=rate_bps, loss=loss, delay_ms=20)


def broadcast(
    world: World, rids: tuple[str, ...] = ("q", "h", "f"), tids: tuple[int, ...] = (0,)
) -> SimulcastPublisher:
    """About 150, 500 and 1,600 kbit/s."""
    host = publish_simulcast(world, rids=rids)
    host.tids = tids
    for encoding, (packets, size) in zip(
        host.encodings.values(), ((1, 600), (2, 1_000), (6, 1_100)), strict=False
    ):
        encoding.packets, encoding.packet_bytes = packets, size
    return host


def watch(world: World, host: SimulcastPublisher, name: str = "ann") -> ReportingViewer:
    viewer = play_reporting(world, name)
    narrow(viewer, wide())
    world.run(1.5)
    world.point(viewer, VIDEO, host.camera_id, 1)
    world.point(viewer, AUDIO, host.microphone_id, 1)
    return viewer


def slot(world: World, viewer: Viewer) -> SlotStats:
    stats = world.stats(viewer.name).peers[0].slots
    return next(each for each in stats if each.mid == VIDEO)


def run_until(
    world: World, viewer: Viewer, seconds: float, *layers: str | None, temporal: int | None = None
) -> bool:
    """Whether the slot gets one of these layers, and all frames of it (or so many), in time."""
    for _ in range(round(seconds / 0.25)):
        now = slot(world, viewer)
        if now.layer in layers and now.temporal == temporal:
            return True
        world.run(0.25)
    return False


def longest_gap_s(viewer: Viewer, mid: str, since: float) -> float:
    times = [packet.at for packet in viewer.media(mid) if packet.at >= since]
    return max(later - sooner for sooner, later in pairwise(times))


def test_a_step_costs_resolution_and_gives_it_back() -> None:
    world = World()
    viewer = watch(world, broadcast(world))
    world.run(8)
    assert slot(world, viewer).layer == "high"
    began = world.now
    narrow(viewer, wide(4e5))
    assert run_until(world, viewer, 3, "low")
    assert slot(world, viewer).limited_by == "bandwidth"
    world.run(12)
    assert slot(world, viewer).layer == "low"
    narrow(viewer, wide())
    assert run_until(world, viewer, 15, "high")
    world.run(1)
    assert slot(world, viewer).limited_by == "nothing"
    assert longest_gap_s(viewer, VIDEO, began) < 0.5
    assert longest_gap_s(viewer, AUDIO, began) < 0.3
    assert viewer.opening_failed == 0
    totals = world.plane.totals()
    assert totals["probes_proven"] >= 2
    assert totals["probe_packets"] > 0
    assert totals["layers_lowered"] >= 2
    assert totals["layers_raised"] >= 2
    assert totals["viewers_limited"] == 1


def test_frames_are_given_up_before_resolution() -> None:
    world = World()
    viewer = watch(world, broadcast(world, tids=TIDS))
    world.run(8)
    narrow(viewer, wide(5e5))
    assert run_until(world, viewer, 8, "medium", temporal=1)
    world.run(6)
    assert (slot(world, viewer).layer, slot(world, viewer).temporal) == ("medium", 1)
    narrow(viewer, wide())
    assert run_until(world, viewer, 15, "high")


def test_who_has_everything_again_for_long_is_limited_no_more() -> None:
    world = World()
    viewer = watch(world, broadcast(world))
    world.run(8)
    narrow(viewer, wide(9e5))
    assert run_until(world, viewer, 5, "medium")
    narrow(viewer, wide())
    assert run_until(world, viewer, 15, "high")
    world.run(CONTENT_S + 3)
    assert world.plane.totals()["viewers_limited"] == 0
    assert slot(world, viewer).layer == "high"


@pytest.mark.parametrize("loss", [0.05, 0.2])
def test_random_loss_does_not_take_the_picture(loss: float) -> None:
    world = World()
    viewer = watch(world, broadcast(world))
    narrow(viewer, wide(None, loss))
    world.run(25)
    assert slot(world, viewer).layer == "high"


def test_a_slot_shown_small_makes_room_and_hides_no_limit() -> None:
    world = World()
    viewer = watch(world, broadcast(world))
    world.run(8)
    narrow(viewer, wide(9e5))
    assert run_until(world, viewer, 5, "medium")
    world.command(ShapeSlot(viewer.peer_id, VIDEO, "hidden"))
    world.run(2)
    world.command(ShapeSlot(viewer.peer_id, VIDEO, "big"))
    world.run(1)
    assert slot(world, viewer).layer == "medium"


def test_a_single_layer_far_too_large_gives_way_to_the_voice_and_comes_back() -> None:
    """It comes back by packets of padding: nothing of the picture was sent of late."""
    world = World()
    host = broadcast(world, rids=("f",))
    host.encodings["f"].packets, host.encodings["f"].packet_bytes = 5, 1_000
    viewer = watch(world, host)
    world.run(8)
    began = world.now
    narrow(viewer, wide(3e5))
    assert run_until(world, viewer, 12, None)
    world.run(6)
    assert longest_gap_s(viewer, AUDIO, began) < 0.4
    narrow(viewer, wide())
    assert run_until(world, viewer, 15, "high")
    assert viewer.padding_packets > 0
    assert world.plane.totals()["pictures_given_up"] >= 1


def test_probes_repeat_what_was_sent_and_use_each_number_once() -> None:
    world = World()
    viewer = watch(world, broadcast(world))
    world.run(8)
    narrow(viewer, wide(4e5))
    world.run(3)
    narrow(viewer, wide())
    world.run(10)
    repeats = [each for each in viewer.received[VIDEO] if each.original is not None]
    first = {each.header.seq: each.payload for each in viewer.media(VIDEO)}
    assert len(repeats) > 20
    assert len({each.header.seq for each in repeats}) == len(repeats)
    for each in repeats:
        assert each.original in first
        assert each.payload == first[each.original]


def test_a_narrow_link_is_not_filled_with_what_was_lost() -> None:
    """A browser asks for everything it lost, and at a step down that is nearly all there was."""
    world = World()
    viewer = watch(world, broadcast(world))
    world.run(8)
    narrow(viewer, wide(4e5))
    assert run_until(world, viewer, 4, "low")
    before = world.stats("ann").peers[0].retransmitted
    newest = viewer.media(VIDEO)[-1].header.seq
    for again in range(20):
        viewer.send_nack(VIDEO, [(newest - 10 * again - back) & 0xFFFF for back in range(10)])
        world.run(0.05)
    resent = world.stats("ann").peers[0].retransmitted - before
    assert resent * 1_100 * 8 < 4e5


def test_without_retransmission_the_next_layer_is_tried_itself() -> None:
    world = World()
    host = broadcast(world)
    viewer = ReportingViewer(world, "ann", OfferText(direction="recvonly", rtx=False))
    viewer.offer()
    narrow(viewer, wide())
    world.run(1.5)
    world.point(viewer, VIDEO, host.camera_id, 1)
    world.run(8)
    narrow(viewer, wide(4e5))
    assert run_until(world, viewer, 10, "low")
    narrow(viewer, wide())
    assert run_until(world, viewer, 25, "high")
    assert world.plane.totals()["probe_packets"] == 0


def test_only_so_many_are_probed_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others wait, and get their turn."""
    monkeypatch.setattr(bandwidth_control, "MAX_PROBES", 2)
    world = World()
    host = broadcast(world)
    viewers = [watch(world, host, f"viewer-{number}") for number in range(4)]
    world.run(4)
    for viewer in viewers:
        narrow(viewer, wide(4e5))
    world.run(3)
    for viewer in viewers:
        narrow(viewer, wide())
    world.run(12)
    assert all(slot(world, viewer).layer == "high" for viewer in viewers)


def test_who_leaves_while_probed_is_forgotten() -> None:
    world = World()
    viewer = watch(world, broadcast(world))
    world.run(8)
    narrow(viewer, wide(4e5))
    world.run(3)
    narrow(viewer, wide())
    while world.plane.totals()["probe_packets"] == 0:
        world.run(0.1)
    before = world.plane.totals()
    world.close(viewer)
    world.run(2)
    after = world.plane.totals()
    assert after["probes"] == before["probes"] > 0
    assert after["probe_packets"] == before["probe_packets"]
    assert after["viewers_limited"] == 0


def test_a_paused_slot_wants_nothing() -> None:
    world = World()
    viewer = watch(world, broadcast(world))
    world.run(8)
    narrow(viewer, wide(4e5))
    world.run(3)
    world.command(PauseSlot(viewer.peer_id, VIDEO, True))
    world.run(4)
    before = world.plane.totals()["probes"]
    world.run(8)
    assert world.plane.totals()["probes"] == before

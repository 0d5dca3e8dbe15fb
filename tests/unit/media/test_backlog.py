"""Large fan-outs are cut into turns: audio overtakes, everybody gets all of it, in order."""

from __future__ import annotations

import itertools

import pytest

from media.backlog import MAX_DELIVERIES
from media.ice import Address
from tests.support.plane_client import Publisher, Viewer
from tests.support.plane_world import World

TURN = 10
VIEWERS = 8


def a_room(seed: int = 1, *, viewers: int = VIEWERS) -> tuple[World, Publisher, list[Viewer]]:
    """A host whose frames are more than a turn for his viewers; all are live."""
    world = World(seed, turn_deliveries=TURN)
    host = world.publish("host")
    watching = [world.play(f"viewer-{number}") for number in range(viewers)]
    world.run(0.5)
    for viewer in watching:
        world.point(viewer, "0", host.microphone_id, 1)
        world.point(viewer, "1", host.camera_id, 1)
    host.camera.packets = 6
    world.run(0.5)
    host.camera.is_on = host.microphone.is_on = False
    world.run(0.2)
    return world, host, watching


def uplink(world: World, host: Publisher, *, camera: bool) -> list[tuple[bytes, Address]]:
    """The datagrams of one frame, of picture or voice, taken off the wire."""
    source = host.camera if camera else host.microphone
    source.is_on, source.next_at = True, 0.0
    host.up.delay_s = 0.0
    host.act(world.now)
    source.is_on = False
    return world.take_uplink()


def counts(world: World) -> int:
    return world.plane.totals()["fanout_packets"]


def test_one_input_sends_no_more_than_a_turn() -> None:
    world, host, _ = a_room()
    world.takes_turns = False
    before = counts(world)
    world.receive(uplink(world, host, camera=True))
    assert counts(world) == before
    assert world.plane.is_behind
    sent = []
    while (at := counts(world)) < before + 6 * VIEWERS:
        assert world.plane.is_behind
        world.plane.handle_turn(world.now)
        sent.append(counts(world) - at)
    assert max(sent) <= TURN


def test_a_voice_overtakes_a_picture() -> None:
    world, host, watching = a_room()
    world.takes_turns = False
    heard = [len(viewer.received["0"]) for viewer in watching]
    seen = [len(viewer.received["1"]) for viewer in watching]
    frame, voice = (uplink(world, host, camera=camera) for camera in (True, False))
    world.receive(frame)
    world.plane.handle_turn(world.now)
    world.receive(voice)
    # The voice of all viewers is sent within this one input, while most of the frame waits.
    assert world.plane.is_behind
    world.run(0.05)
    assert [len(each.received["0"]) for each in watching] == [count + 1 for count in heard]
    got = [len(each.received["1"]) - count for each, count in zip(watching, seen, strict=True)]
    assert sum(got) == 6
    world.takes_turns = True
    world.run(0.05)
    got = [len(each.received["1"]) - count for each, count in zip(watching, seen, strict=True)]
    assert got == [6] * VIEWERS


def test_a_voice_goes_first_out_of_one_batch() -> None:
    world, host, watching = a_room(viewers=1)
    frame, voice = (uplink(world, host, camera=camera) for camera in (True, False))
    world.sent.clear()
    world.receive(frame[:2] + voice)
    ssrcs = [
        int.from_bytes(data[8:12], "big")
        for data in world.sent_to(watching[0].address)
        if 128 <= data[0] < 192 and not 192 <= data[1] <= 223
    ]
    assert ssrcs == [watching[0].media_ssrc[mid] for mid in ("0", "1", "1")]


@pytest.mark.parametrize("seed", range(3))
def test_everybody_gets_all_of_it_once_and_in_order(seed: int) -> None:
    """Frames come faster than turns are taken."""
    world, host, watching = a_room(seed)
    for viewer in watching:
        viewer.received["1"].clear()
    world.takes_turns = False
    for number in range(12):
        world.receive(uplink(world, host, camera=True))
        for _ in range(number % 4):
            world.plane.handle_turn(world.now)
    world.takes_turns = True
    world.run(0.1)
    for viewer in watching:
        seqs = [each.seq for each in viewer.received["1"]]
        assert len(seqs) == 12 * 6
        assert all((b - a) & 0xFFFF == 1 for a, b in itertools.pairwise(seqs))


def test_who_leaves_and_what_is_muted_gets_nothing_more() -> None:
    world, host, watching = a_room()
    for viewer in watching:
        viewer.received["1"].clear()
    world.takes_turns = False
    world.receive(uplink(world, host, camera=True))
    world.plane.handle_turn(world.now)
    world.pause(watching[-1], "1", True)
    world.close(watching[-2])
    world.plane.handle_turn(world.now)
    world.takes_turns = True
    world.run(0.05)
    assert [len(viewer.received["1"]) for viewer in watching] == [6] * (VIEWERS - 2) + [0, 0]
    world.takes_turns = False
    world.receive(uplink(world, host, camera=True))
    world.mute(host.camera_id, True)
    world.takes_turns = True
    world.run(0.05)
    assert [len(viewer.received["1"]) for viewer in watching] == [6] * (VIEWERS - 2) + [0, 0]


def test_a_publisher_who_leaves_takes_what_waits_with_him() -> None:
    world, host, watching = a_room()
    for viewer in watching:
        viewer.received["1"].clear()
    world.takes_turns = False
    world.receive(uplink(world, host, camera=True))
    world.close(host)
    world.takes_turns = True
    world.run(0.05)
    assert not any(viewer.received["1"] for viewer in watching)


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("media.backlog.MAX_DELIVERIES", 100)
    assert MAX_DELIVERIES > 100
    world, host, _ = a_room()
    world.takes_turns = False
    before = counts(world)
    for _ in range(5):
        world.receive(uplink(world, host, camera=True))
    # Five frames are 240 deliveries: what is beyond the bound was sent before more is read.
    assert 140 <= counts(world) - before < 240

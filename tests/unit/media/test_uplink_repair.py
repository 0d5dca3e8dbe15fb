"""A publisher behind a bad link: what is asked for again, how often, what of it comes, and that no
viewer gets anything twice. Whole plane, scripted publisher, the impairment core in between."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest

from loadtest.network.conditions import Conditions
from loadtest.network.impairment import Impairment
from media.seam import PeerStats
from tests.support.plane_client import Datagram, Link, Publisher, Viewer
from tests.support.plane_world import World

VIDEO = "0"
RUN_S = 20.0


def link(seed: int, **conditions: float) -> Link:
    impaired: Impairment[Datagram] = Impairment(Conditions(**conditions), random.Random(seed))
    return Link(impaired=impaired)


@dataclass(frozen=True)
class Run:
    """What a run of `RUN_S` did to the video of one publisher."""

    stats: PeerStats
    host: Publisher
    viewer: Viewer
    lost: int
    """Datagrams that the uplink lost, resends among them."""


def run(loss: float, *, one_way_ms: float, burst: float = 1.0, seed: int = 7) -> Run:
    """Connect without loss, lose for `RUN_S`, then a moment for the last resends."""
    world = World(seed)
    host = world.publish("host", audio=0)
    host.up, host.down = link(1, delay_ms=one_way_ms), link(2, delay_ms=one_way_ms)
    viewer = world.play("ann", audio=0)
    world.run(2)
    world.point(viewer, VIDEO, host.camera_id, 1)
    world.run(2)
    bad = link(seed, delay_ms=one_way_ms, loss=loss, burst=burst)
    good, host.up = host.up, bad
    world.run(RUN_S)
    host.up = good
    world.run(1.5)
    (stats,) = world.stats("host").peers
    assert bad.impaired is not None
    return Run(stats, host, viewer, bad.impaired.counts().lost)


def assert_each_packet_once(done: Run) -> None:
    """Nobody was forwarded a packet twice, and every number has one packet behind it."""
    packets = done.viewer.media(VIDEO)
    assert len({packet.source_seq for packet in packets}) == len(packets)
    assert len({packet.header.seq for packet in packets}) == len(packets)
    assert done.viewer.opening_failed == 0


@pytest.mark.parametrize(
    ("loss", "burst", "missing"), [(0.05, 1.0, 0), (0.2, 1.0, 0.002), (0.2, 4.0, 0.01)]
)
def test_loss_at_100_ms_is_mended(loss: float, burst: float, missing: float) -> None:
    done = run(loss, one_way_ms=50, burst=burst)
    stats = done.stats
    sent = stats.packets_in + stats.lost_in
    assert done.lost > 0.8 * loss * RUN_S * 60, "the link did lose"
    assert stats.lost_in <= missing * sent
    assert stats.recovered >= 0.9 * loss * RUN_S * 60
    # Each request is answered or lost: 1 / (1 - loss) of them a packet, and few more.
    assert stats.nacks_out <= 1.25 * stats.recovered / (1 - loss)
    assert len(done.host.nacked) == stats.nacks_out
    assert_each_packet_once(done)


@pytest.mark.parametrize("one_way_ms", [5.0, 150.0, 300.0])
def test_requests_are_spaced_by_the_measured_round_trip(one_way_ms: float) -> None:
    """At 300 ms and more, a guess of 100 ms would ask for everything three times."""
    done = run(0.05, one_way_ms=one_way_ms)
    assert done.stats.rtt_ms == pytest.approx(2 * one_way_ms, rel=0.35, abs=15)
    assert done.stats.nacks_out <= 1.3 * done.stats.recovered / 0.95
    assert_each_packet_once(done)


def test_a_round_trip_that_grows_is_learned_again() -> None:
    world = World(3)
    host = world.publish("host", audio=0)
    world.run(1)
    assert world.stats("host").peers[0].rtt_ms == pytest.approx(20, abs=11)
    host.up, host.down = link(1, delay_ms=150, loss=0.1), link(2, delay_ms=150)
    world.run(20)
    assert world.stats("host").peers[0].rtt_ms == pytest.approx(300, rel=0.2)


def test_a_publisher_that_never_answers_is_not_asked_for_ever() -> None:
    world = World(3)
    host = world.publish("host", audio=0)
    host.camera.ignores_nacks = True
    world.run(1)
    host.up = link(1, delay_ms=10, loss=0.1)
    world.run(5)
    host.up = Link()
    world.run(2)
    asked = {seq: host.nacked.count(seq) for seq in host.nacked}
    assert max(asked.values()) == 8
    before = len(host.nacked)
    world.run(5)
    assert len(host.nacked) == before
    (stats,) = world.stats("host").peers
    assert stats.recovered == 0
    assert stats.lost_in == len(asked)


def test_audio_without_nack_is_neither_asked_for_nor_counted_as_asked() -> None:
    world = World(3)
    host = world.publish("host", video=0)
    world.run(1)
    host.up = link(1, delay_ms=10, loss=0.1)
    world.run(5)
    (stats,) = world.stats("host").peers
    assert host.nacked == []
    assert (stats.nacks_out, stats.recovered) == (0, 0)
    assert stats.lost_in > 10
    assert stats.loss > 0


def test_lost_sound_is_asked_for_again_where_that_was_offered() -> None:
    world = World(3)
    host = world.publish("host", video=0, audio_nack=True)
    viewer = world.play("ann", video=0)
    world.run(1)
    world.point(viewer, "0", host.microphone_id, 1)
    host.up = link(1, delay_ms=10, loss=0.2)
    world.run(10)
    host.up = link(1, delay_ms=10)
    world.run(1)
    (stats,) = world.stats("host").peers
    assert stats.lost_in == 0
    assert stats.recovered > 70
    numbers = sorted(packet.source_seq for packet in viewer.media("0"))
    assert numbers == list(range(numbers[0], numbers[-1] + 1)), "nothing is missing, nothing twice"

"""Invariant: whatever datagrams come from whatever addresses, and whatever commands with whatever
ids, in any order, the plane raises nothing, its tables stay bounded, and it still serves a viewer.
"""

from __future__ import annotations

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from media.ice import Address
from media.seam import (
    ClosePeer,
    Command,
    MuteTrack,
    PauseSlot,
    PeerId,
    PlayOffer,
    PointSlot,
    PublishOffer,
    QueryStats,
    RequestId,
    RestartIce,
    TrackId,
)
from tests.support.plane_client import SOURCES, Publisher, Viewer
from tests.support.plane_offer import OfferText
from tests.support.plane_world import World

VIDEO = "1"
MAX_ADDRESSES_OF_A_PEER = 17

# The first few bytes decide where a datagram goes; the rest is anything.
heads = st.sampled_from(
    [b"", b"\x00\x01\x00\x00\x21\x12\xa4\x42", b"\x16\xfe\xfd", b"\x80\x60", b"\x80\xc8", b"\xff"]
)
noise = st.tuples(heads, st.binary(max_size=120)).map(b"".join)
# (which client's address, or a stranger's; noise, or that client's check or the other's, twisted)
places = st.integers(0, 3)
twists = st.lists(st.tuples(st.integers(0, 200), st.integers(1, 255)), max_size=3)
datagrams = st.tuples(places, st.one_of(noise, places), twists)

ids = st.sampled_from(["host", "ann", "x", ""]).map(PeerId)
tracks = st.sampled_from([None, "host/s1/camera", "host/s1/microphone", "x/s1/camera", ""])
mids = st.sampled_from(["0", "1", "2", ""])
sdps = st.one_of(
    st.just(str(OfferText(direction="recvonly"))),
    st.just(str(OfferText(direction="sendonly"))),
    st.text(max_size=50),
)
request = RequestId("r")
commands: st.SearchStrategy[Command] = st.one_of(
    st.builds(PublishOffer, st.just(request), ids, sdps, st.just("host/s1"), st.just(SOURCES)),
    st.builds(PlayOffer, st.just(request), ids, sdps, st.integers(0, 4), st.integers(0, 4)),
    st.builds(RestartIce, st.just(request), ids, st.just("newUfrag"), st.text(max_size=5)),
    st.builds(
        PointSlot, ids, mids, tracks.map(lambda each: each and TrackId(each)), st.integers(-1, 9)
    ),
    st.builds(PauseSlot, ids, mids, st.booleans()),
    st.builds(MuteTrack, tracks.map(lambda each: TrackId(each or "")), st.booleans()),
    st.builds(ClosePeer, ids, st.just("fuzz")),
    st.builds(QueryStats, st.just(request), st.lists(ids, max_size=3).map(tuple)),
)
pauses = st.sampled_from([0.0, 0.01, 0.3, 6.0])

# Without `explain`: tracing every line of some thousand steps takes minutes.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)


def room(world: World) -> tuple[Publisher, Viewer]:
    host, viewer = world.publish("host"), world.play("ann")
    world.run(0.3)
    world.point(viewer, VIDEO, host.camera_id, 1)
    return host, viewer


def assert_serves(world: World) -> None:
    """Somebody new publishes and somebody new sees it."""
    host, viewer = world.publish("new-host"), world.play("new-viewer")
    world.run(0.3)
    world.point(viewer, VIDEO, host.camera_id, 1)
    world.run(1.2)
    assert viewer.media(VIDEO)


@settings(max_examples=60, deadline=None, phases=PHASES)
@given(batches=st.lists(st.tuples(st.lists(datagrams, max_size=6), pauses), max_size=6))
def test_no_datagrams_raise(
    batches: list[tuple[list[tuple[int, bytes | int, list[tuple[int, int]]]], float]],
) -> None:
    world = World()
    host, viewer = room(world)
    addresses: list[Address] = [host.address, viewer.address, ("9.9.9.9", 9), ("::1", 9, 0, 0)]
    for datagram_list, pause_s in batches:
        checks = [host.check(), viewer.check(), viewer.check(), host.check()]
        batch = []
        for place, what, flips in datagram_list:
            data = bytearray(checks[what] if isinstance(what, int) else what)
            for index, mask in flips:
                if data:
                    data[index % len(data)] ^= mask
            batch.append((bytes(data), addresses[place]))
        world.receive(batch)
        world.run(pause_s)
    totals = world.stats().totals
    assert totals["peers"] == 2, "only a close_notify of their own could end them"
    assert totals["addresses"] <= 2 * MAX_ADDRESSES_OF_A_PEER
    assert totals["ufrags"] == 2
    assert_serves(world)


@settings(max_examples=60, deadline=None, phases=PHASES)
@given(steps=st.lists(st.tuples(commands, pauses), max_size=12))
def test_no_commands_raise(steps: list[tuple[Command, float]]) -> None:
    world = World()
    room(world)
    for command, pause_s in steps:
        world.command(command)
        world.run(pause_s)
    assert world.stats().totals["ufrags"] <= 2 * 4
    assert_serves(world)
    world.plane.close(world.now, "over")
    world.run(0.05)
    totals = world.stats().totals
    assert [totals[name] for name in ("peers", "addresses", "ufrags", "tracks")] == [0, 0, 0, 0]

"""Who leaves is gone at once: nothing of a peer waits for the garbage collector."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from media.downlink import OutStream
from media.layer import Layer
from media.peer import Peer
from media.seam import ClosePeer, PeerId
from media.srtp import SrtpSender
from media.transport import PeerTransport
from media.viewer import ViewerSlot
from tests.support.plane_world import World
from tests.unit.media.test_plane import live_room

PARTS = (Peer, PeerTransport, SrtpSender, Layer, ViewerSlot, OutStream)


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def server_parts() -> int:
    return sum(isinstance(each, PARTS) for each in gc.get_objects())


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("names", [("ann", "host"), ("host", "ann")])
def test_peers_and_their_buffers_need_no_collector(names: tuple[str, str]) -> None:
    world = World()
    before = server_parts()
    clients = live_room(world)
    kept = server_parts() - before
    assert kept > 10
    for name in names:
        world.command(ClosePeer(PeerId(name), "left"))
        world.run(1.5)
    # What is left are the clients' own keys.
    assert server_parts() - before <= len(clients)

"""WHIP in, WHEP out, through the real server over real UDP."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator

import pytest

from loadtest.bench.forwarding import LightPublisher
from loadtest.room_client import RoomClient
from loadtest.rtc.light_peer import Direction, LightPeer, PeerError
from tests.support.server import LiveServer, live

pytestmark = pytest.mark.asyncio(loop_scope="module")
__all__ = ["live"]
ENOUGH = 60


@contextlib.asynccontextmanager
async def peer_of(direction: Direction) -> AsyncIterator[LightPeer]:
    peer = LightPeer(direction)
    try:
        yield peer
    finally:
        await peer.close()


@contextlib.asynccontextmanager
async def sending(source: LightPeer) -> AsyncIterator[None]:
    task = asyncio.create_task(LightPublisher(source, random.Random(1)).run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_what_one_publishes_the_other_plays(live: LiveServer) -> None:
    room = live.new_room()
    host, viewer = live.token("hana", "host", room), live.token("vera", "viewer", room)
    sizes: list[int] = []
    enough = asyncio.Event()

    def take(plain: bytes, now: float) -> None:
        sizes.append(len(plain))
        if len(sizes) == ENOUGH:
            enough.set()

    async with peer_of("sendonly") as source, peer_of("recvonly") as player:
        await source.connect(live.http, f"/whip/{room}", host)
        player.sample_every, player.on_rtp = 1, take
        async with sending(source):
            await player.connect(live.http, f"/whep/{room}", viewer)
            async with asyncio.timeout(10):
                await player.receiving.wait()
                await enough.wait()
        assert len(player.streams) == 2
        assert all(stream.holes == 0 for stream in player.streams.values())
        assert sum(stream.packets for stream in player.streams.values()) == player.packets
        assert len(sizes) == player.packets
        assert sum(sizes) < player.bytes
        staff = live.token("sam", "staff", room)
        async with RoomClient(live.running.socket_url, staff) as watcher:
            assert watcher.welcome["show"]["phase"] == "live"
            # The DELETE tells at once what silence would tell after seconds.
            await source.close(live.http, host)
            lost = await watcher.wait_for("show_changed", within_s=3)
            assert lost["show"]["phase"] == "host_lost"


async def test_a_refusal_is_raised_with_the_servers_words(live: LiveServer) -> None:
    room = live.new_room()
    for token, path, words in (
        ("nonsense", f"/whip/{room}", "401.*bad_token"),
        (live.token("vera", "viewer", room), f"/whip/{room}", "403.*forbidden"),
        (live.token("vera", "viewer", room), f"/whep/{room}", "409.*not_live"),
    ):
        async with peer_of("recvonly") as peer:
            with pytest.raises(PeerError, match=words):
                await peer.connect(live.http, path, token)


async def test_what_takes_too_long_is_given_up(live: LiveServer) -> None:
    room = live.new_room()
    token = live.token("hana", "host", room)
    async with peer_of("sendonly") as peer:
        with pytest.raises(PeerError, match=r"no answer from /whip/.* within 0 s"):
            await peer.connect(live.http, f"/whip/{room}", token, timeout_s=0)


async def test_garbage_on_its_port_is_harmless(live: LiveServer) -> None:
    room = live.new_room()
    token = live.token("hana", "host", room)
    async with peer_of("sendonly") as peer:
        await peer.connect(live.http, f"/whip/{room}", token)
        for datagram in (b"", b"\x80", b"\xff" * 5, b"\x16\xfe\xfd" + bytes(20), b"\x00"):
            peer._reception.take_untrusted(datagram, len(datagram), None)
        assert peer.packets == 0
        assert not peer.dead

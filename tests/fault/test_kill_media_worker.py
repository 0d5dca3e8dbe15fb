"""Kill -9 of a media worker: its people are told and back within 5 s, the others notice nothing."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from loadtest.clip.clip import Clip, make_clip
from loadtest.clip.publisher import ClipPublisher
from loadtest.clip.spec import ClipSpec
from loadtest.room_client import RoomClient, wait_camera
from loadtest.rtc import whip
from loadtest.rtc.light_peer import LightPeer
from server.app_keys import MEDIA
from server.media_workers import MediaWorkers
from tests.support.server import LiveServer, serving

BACK_WITHIN_S = 5.0
PATIENCE_S = 20.0
KILLED = 0


@pytest.fixture
async def clip() -> Clip:
    return await make_clip(ClipSpec("VP8", 320, 180, 20, 300_000, seconds=2.0, gop_s=1.0))


@contextlib.asynccontextmanager
async def hosting(live: LiveServer, room: str, clip: Clip) -> AsyncIterator[str]:
    """A host who comes by WHIP and sends a clip in a loop; yields the session's address."""
    peer = LightPeer("sendonly", video_codecs=("VP8",))
    publisher = ClipPublisher(peer, [(None, clip)], rng=random.Random(1))
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(peer.close)
        url, token = f"/whip/{room}", live.token("hana", "host", room)
        session = await whip.negotiate(live.http, url, token, peer)
        await peer.establish()
        sending = asyncio.create_task(publisher.run(), name=f"host-{room}")
        stack.callback(sending.cancel)
        yield session


@contextlib.asynccontextmanager
async def watching(live: LiveServer, room: str) -> AsyncIterator[LightPeer]:
    """A viewer by WHEP, who has got a packet already."""
    peer = LightPeer("recvonly")
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(peer.close)
        await peer.connect(live.http, f"/whep/{room}", live.token("ann", "viewer", room))
        async with asyncio.timeout(PATIENCE_S):
            await peer.receiving.wait()
        yield peer


@contextlib.asynccontextmanager
async def in_room(live: LiveServer, room: str) -> AsyncIterator[RoomClient]:
    """A viewer's socket, as the page has it, in a room with a picture."""
    url = live.running.socket_url
    async with RoomClient(url, live.token("bob", "viewer", room)) as client:
        await wait_camera(client)
        yield client


async def play(client: RoomClient) -> tuple[LightPeer, str]:
    """What the SDK does: offer on the socket; returns the receiving peer and its id."""
    peer = LightPeer("recvonly")
    answer = await client.request("play", sdp=peer.offer())
    peer.accept(answer["sdp"])
    await peer.establish()
    async with asyncio.timeout(PATIENCE_S):
        await peer.receiving.wait()
    return peer, answer["peer_id"]


@pytest.mark.alone
async def test_a_killed_worker_takes_no_room_with_it(tmp_path: Path, clip: Clip) -> None:
    async with serving(tmp_path, media_workers=2) as live, contextlib.AsyncExitStack() as stack:
        workers = live.running.app[MEDIA]
        assert isinstance(workers, MediaWorkers)
        struck, spared = live.new_room(), live.new_room()
        await stack.enter_async_context(hosting(live, struck, clip))  # the first worker
        await stack.enter_async_context(hosting(live, spared, clip))  # the second
        await stack.enter_async_context(watching(live, struck))
        neighbour = await stack.enter_async_context(watching(live, spared))
        client = await stack.enter_async_context(in_room(live, struck))
        page, page_id = await play(client)
        stack.push_async_callback(page.close)
        spared_before = neighbour.packets

        killed_at = time.monotonic()
        os.kill(workers.pids[KILLED], signal.SIGKILL)
        told = await client.wait_for("peer_state", peer_id=page_id, state="closed")
        assert told["reason"] == "worker_lost"
        async with hosting(live, struck, clip):  # OBS and the SDK offer again at once
            again, _ = await play(client)
            stack.push_async_callback(again.close)
            async with watching(live, struck):
                assert time.monotonic() - killed_at < BACK_WITHIN_S

        async with asyncio.timeout(PATIENCE_S):
            await workers.wait_all_up()
        assert workers.restarts == 1
        assert not neighbour.dead
        assert neighbour.packets > spared_before
        assert neighbour.counts.holes == 0, "who is on another worker notices nothing"


async def test_a_session_of_a_lost_worker_is_gone_for_whip(tmp_path: Path, clip: Clip) -> None:
    async with serving(tmp_path, media_workers=1) as live:
        workers = live.running.app[MEDIA]
        assert isinstance(workers, MediaWorkers)
        room = live.new_room()
        async with hosting(live, room, clip) as session, in_room(live, room) as client:
            os.kill(workers.pids[KILLED], signal.SIGKILL)
            async with asyncio.timeout(PATIENCE_S):
                while (await client.wait_for("seat_changed"))["seat"]["sources"]:
                    pass
                await workers.wait_all_up()
            headers = live.bearer("hana", "host", room)
            async with live.http.delete(session, headers=headers) as response:
                assert response.status == 404

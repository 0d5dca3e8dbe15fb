"""A room with a light publisher and light viewers, for tests of what the crowd counts."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator

from loadtest.clip.clip import Clip, make_clip
from loadtest.clip.publisher import ClipPublisher
from loadtest.clip.spec import ClipSpec
from loadtest.rtc.light_peer import LightPeer, SocketFactory, VideoCodec
from tests.support.clip_parts import ClipParts
from tests.support.server import LiveServer

SEED = 1
SMALL = ClipSpec("VP8", 320, 180, 30, 800_000, seconds=2.0, gop_s=1.0)


@contextlib.asynccontextmanager
async def light_publisher(
    server: LiveServer, room: str, codec: VideoCodec = "VP8"
) -> AsyncIterator[LightPeer]:
    """A light publisher in `room`, connected; the show is live, nothing is sent yet."""
    peer = LightPeer("sendonly", video_codecs=(codec,))
    token = server.token("hana", "host", room)
    try:
        await peer.connect(server.http, f"/whip/{room}", token)
        yield peer
    finally:
        await peer.close(server.http, token)


@contextlib.asynccontextmanager
async def sending(peer: LightPeer) -> AsyncIterator[None]:
    """A clip leaves `peer`, over and over, as publishers of a crowd send it."""
    publisher = ClipPublisher(peer, [(None, await make_clip(SMALL))], rng=random.Random(SEED))
    task = asyncio.create_task(publisher.run(), name="publisher")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@contextlib.asynccontextmanager
async def published(server: LiveServer, room: str, clip: Clip) -> AsyncIterator[ClipParts]:
    """The same with a clip to send."""
    async with light_publisher(server, room, clip.spec.codec) as peer:
        yield ClipParts(peer, clip)


@contextlib.asynccontextmanager
async def light_viewer(
    server: LiveServer,
    room: str,
    *,
    feedback: bool = False,
    open_socket: SocketFactory | None = None,
) -> AsyncIterator[LightPeer]:
    """A light WHEP viewer, connected."""
    peer = LightPeer("recvonly", feedback=feedback, open_socket=open_socket)
    token = server.token("vera", "viewer", room)
    try:
        await peer.connect(server.http, f"/whep/{room}", token)
        yield peer
    finally:
        await peer.close(server.http, token)

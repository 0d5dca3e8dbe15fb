"""What the tests of targets send and how they wait for it."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator

from loadtest.clip.clip import make_clip
from loadtest.clip.publisher import ClipPublisher
from loadtest.clip.spec import ClipSpec
from loadtest.rtc.light_peer import LightPeer

SPEC = ClipSpec("VP8", 320, 180, 15, 150_000, seconds=2.0)


@contextlib.asynccontextmanager
async def publishing(peer: LightPeer) -> AsyncIterator[ClipPublisher]:
    """A connected peer sends a small clip meanwhile."""
    publisher = ClipPublisher(peer, [(None, await make_clip(SPEC))], rng=random.Random(1))
    sending = asyncio.create_task(publisher.run())
    try:
        yield publisher
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def receives(peer: LightPeer, packets: int) -> None:
    """Until that many came and were opened."""
    enough = asyncio.Event()
    opened: list[bytes] = []

    def take(plain: bytes, now: float) -> None:
        opened.append(plain)
        if len(opened) == packets:
            enough.set()

    peer.on_rtp, peer.sample_every = take, 1
    async with asyncio.timeout(20):
        await enough.wait()

"""The debug switch that slows the server: everything arrives, later by what was asked for."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from loadtest.rtc.light_peer import Direction, LightPeer
from loadtest.rtc.marker import find_mark
from tests.support.marked_sound import MarkedSound
from tests.support.server import LiveServer, serving

pytestmark = pytest.mark.alone

DELAY_MS = 100
PACKETS = 100
EVERY_S = 0.005
PATIENCE_S = 10.0


@contextlib.asynccontextmanager
async def peer_of(direction: Direction) -> AsyncIterator[LightPeer]:
    peer = LightPeer(direction, audio=1, video=0)
    try:
        yield peer
    finally:
        await peer.close()


async def delays_s(server: LiveServer) -> list[float]:
    """Of every packet that one peer sends and another one receives, in the order of arrival."""
    room = server.new_room()
    arrived: list[tuple[int, int]] = []
    all_here = asyncio.Event()
    first_counted = 0

    def take(plain: bytes, now: float) -> None:
        sent_ns = find_mark(plain)
        assert sent_ns is not None
        arrived.append((sent_ns, time.monotonic_ns()))
        if sum(sent >= first_counted for sent, _ in arrived) == PACKETS and first_counted:
            all_here.set()

    async with peer_of("sendonly") as source, peer_of("recvonly") as player:
        await source.connect(server.http, f"/whip/{room}", server.token("hana", "host", room))
        sound = MarkedSound(source)
        sound.send()
        player.sample_every, player.on_rtp = 1, take
        await player.connect(server.http, f"/whep/{room}", server.token("vera", "viewer", room))
        async with asyncio.timeout(PATIENCE_S):
            while not player.receiving.is_set():
                sound.send()
                await asyncio.sleep(EVERY_S)
            first_counted = time.monotonic_ns()
            for _ in range(PACKETS):
                sound.send()
                await asyncio.sleep(EVERY_S)
            await all_here.wait()
        (stream,) = player.streams.values()
        assert stream.holes == 0
    counted = [(sent, received) for sent, received in arrived if sent >= first_counted]
    assert counted == sorted(counted), "packets overtook each other"
    return [(received - sent) / 1e9 for sent, received in counted]


async def test_slowness_shows_as_latency_and_not_as_silence(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(tmp_path / "quick") as server:
        quick = await delays_s(server)
    assert "media_slowed_on_purpose" not in caplog.text
    with caplog.at_level(logging.WARNING):
        async with serving(tmp_path / "slow", debug_forward_delay_ms=DELAY_MS) as server:
            slow = await delays_s(server)
            async with server.http.get("/metrics") as response:
                assert 'media_dropped_total{reason="held"} 0' in await response.text()
    assert "media_slowed_on_purpose delay_ms=100" in caplog.text
    assert len(quick) == len(slow) == PACKETS
    assert min(quick) < DELAY_MS / 1000 <= min(slow)

"""RED (RFC 2198) between real makes: Chromium publishes it, Chromium hears it with its redundancy,
and aiortc, which has no RED, hears plain Opus."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription
from av.audio.frame import AudioFrame
from playwright.async_api import Browser, expect

from loadtest.targets.program import Program, serving
from tests.browser.conftest import SETTINGS
from tests.browser.people import PATIENCE_MS, Person, enter

PATIENCE_S = PATIENCE_MS / 1000
LOUD = 500
"""Of 32,768; the fake microphone beeps at about a third of it, silence decodes to a few."""

REDUNDANT_SHARE = """
async () => {
  for (;;) {
    const stats = await window.lianmaiRoom.media.downlink.getStats();
    for (const of of stats.values())
      if (of.type === 'inbound-rtp' && of.kind === 'audio' && of.packetsReceived > 100)
        return of.packetsDiscarded / of.packetsReceived;
    await new Promise(done => setTimeout(done, 50));
  }
}
"""
"""Blocks that the jitter buffer threw away because it had the primary, by packets received. Without
RED there are none; on a link that loses nothing each packet of RED brings one."""


@pytest.fixture
async def program() -> AsyncIterator[Program]:
    async with serving({**SETTINGS, "LIANMAI_CODECS_AUDIO": '["red", "opus"]'}) as started:
        yield started


async def live_host(browser: Browser, program: Program, room: str) -> Person:
    host = await enter(browser, program, room, "host", "host")
    await host.by_id("go-live").click()
    await expect(host.by_id("end-show")).to_be_visible(timeout=PATIENCE_MS)
    return host


async def test_chromium_hears_red_of_chromium(
    browser: Browser, program: Program, room: str
) -> None:
    await live_host(browser, program, room)
    viewer = await enter(browser, program, room, "viewer", "viewer")
    await viewer.wait_picture(0)
    await viewer.wait_heard(1)
    async with asyncio.timeout(PATIENCE_S):
        assert await viewer.page.evaluate(REDUNDANT_SHARE) > 0.8


async def test_aiortc_without_red_hears_opus(browser: Browser, program: Program, room: str) -> None:
    await live_host(browser, program, room)
    token = program.token(room, "player", "viewer")
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/sdp"}
    player = RTCPeerConnection()
    player.addTransceiver("audio", direction="recvonly")
    try:
        await player.setLocalDescription(await player.createOffer())
        assert "red/48000" not in player.localDescription.sdp
        async with aiohttp.ClientSession(program.url) as http:
            async with http.post(
                f"/whep/{room}", data=player.localDescription.sdp, headers=headers
            ) as response:
                assert response.status == 201, await response.text()
                answer = await response.text()
            await player.setRemoteDescription(RTCSessionDescription(answer, "answer"))
            track = player.getReceivers()[0].track
            async with asyncio.timeout(PATIENCE_S):
                while await _loudness(track) < LOUD:
                    pass
    finally:
        await player.close()


async def _loudness(track: MediaStreamTrack) -> int:
    """The loudest sample of the next 20 ms (16 bits, as aiortc's Opus decoder gives them)."""
    frame = await track.recv()
    assert isinstance(frame, AudioFrame)
    samples = memoryview(bytes(frame.planes[0])).cast("h")
    return max(max(samples), -min(samples))

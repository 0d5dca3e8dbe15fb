"""Chromium plays what clip publishers send: over the clip's end, and over a key frame that the
server asked for when somebody else joined."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

import aiohttp
import pytest
from playwright.async_api import Browser

from loadtest.bench.program import Program
from loadtest.clip.clip import make_clip
from loadtest.clip.publisher import ClipPublisher
from loadtest.clip.spec import ClipSpec, Codec
from loadtest.rtc.light_peer import LightPeer
from tests.browser.people import PATIENCE_MS, Person, enter

FPS = 30
SECONDS = 2.0

INBOUND = """
async wanted => {
  for (;;) {
    const stats = await window.lianmaiRoom.media.downlink.getStats();
    for (const report of stats.values())
      if (report.type === 'inbound-rtp' && report.kind === 'video'
          && report.framesDecoded >= wanted)
        return {
          decoded: report.framesDecoded, keys: report.keyFramesDecoded, plis: report.pliCount,
          lost: report.packetsLost, codec: stats.get(report.codecId).mimeType,
        };
    await new Promise(done => setTimeout(done, 50));
  }
}
"""
"""Waits in the page: Playwright's `wait_for_function` takes the promise of an async function for
a true value."""


HEARD = """
async () => {
  // A muted element hears nothing: the page starts muted, as browsers demand.
  for (const element of document.querySelectorAll('video')) element.muted = false;
  for (;;) {
    const stats = await window.lianmaiRoom.media.downlink.getStats();
    for (const report of stats.values())
      if (report.type === 'inbound-rtp' && report.kind === 'audio' && report.totalAudioEnergy > 0)
        return report.totalAudioEnergy;
    await new Promise(done => setTimeout(done, 50));
  }
}
"""


@dataclass(frozen=True)
class Inbound:
    """What Chromium says of the incoming video."""

    decoded: int
    keys: int
    plis: int
    lost: int
    codec: str


async def inbound(person: Person, frames: int = 1) -> Inbound:
    """Once that many frames have been decoded since the first."""
    async with asyncio.timeout(PATIENCE_MS / 1000):
        return Inbound(**await person.page.evaluate(INBOUND, frames))


@pytest.mark.parametrize("codec", ["VP8", "H264"])
async def test_chromium_plays_a_clip(
    browser: Browser, program: Program, room: str, codec: Codec
) -> None:
    clip = await make_clip(ClipSpec(codec, 640, 360, FPS, 600_000, seconds=SECONDS, gop_s=1.0))
    token = program.token(room, "host", "host")
    host = LightPeer("sendonly", video_codecs=(codec,))
    async with aiohttp.ClientSession(program.url) as http:
        try:
            await host.connect(http, f"/whip/{room}", token)
            publisher = ClipPublisher(host, [(None, clip)], rng=random.Random(1))
            async with asyncio.TaskGroup() as group:
                sending = group.create_task(publisher.run(), name="clip-publisher")
                await plays_on(browser, program, room, publisher, f"video/{codec}")
                sending.cancel()
        finally:
            await host.close(http, token)


async def plays_on(
    browser: Browser, program: Program, room: str, publisher: ClipPublisher, codec: str
) -> None:
    viewer = await enter(browser, program, room, "viewer", "viewer")
    await viewer.wait_picture(0)
    async with asyncio.timeout(PATIENCE_MS / 1000):
        assert await viewer.page.evaluate(HEARD) > 0
    start = await inbound(viewer)
    assert start.codec == codec
    # Every frame that is sent is decoded, and the clip is over once at least meanwhile.
    over = await inbound(viewer, start.decoded + round(1.5 * SECONDS * FPS))
    assert over.keys > start.keys
    requests = publisher.stats.keyframe_requests
    second = await enter(browser, program, room, "second", "viewer")
    await second.wait_picture(0)
    assert publisher.stats.keyframe_requests > requests, "the server asked for the second one"
    end = await inbound(viewer, over.decoded + round(1.5 * SECONDS * FPS))
    # A decoder that met what it cannot decode would have asked for a key frame itself.
    assert (end.plis, end.lost) == (start.plis, start.lost)

"""Chromium plays what clip publishers send: over the clip's end, and over a key frame that was
asked for in the middle."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

import aiohttp
import pytest
from playwright.async_api import Browser

from loadtest.clip.clip import make_clip
from loadtest.clip.publisher import ClipPublisher
from loadtest.clip.spec import ClipSpec, Codec
from loadtest.rtc.light_peer import LightPeer
from loadtest.targets.program import Program
from tests.browser.people import PATIENCE_MS, Person, enter

FPS = 15
SECONDS = 2.0
ONE_AND_A_HALF_ROUNDS = round(1.5 * SECONDS * FPS)
IN_FLIGHT = 3
"""Frames between the network and the decoder."""

INBOUND = """
async ([wanted, mostMissing]) => {
  for (;;) {
    const stats = await window.lianmaiRoom.media.downlink.getStats();
    for (const report of stats.values())
      if (report.type === 'inbound-rtp' && report.kind === 'video'
          && report.framesDecoded >= wanted
          && report.framesReceived - report.framesDecoded <= mostMissing)
        return {
          decoded: report.framesDecoded, keys: report.keyFramesDecoded,
          received: report.framesReceived, codec: stats.get(report.codecId).mimeType,
        };
    await new Promise(done => setTimeout(done, 50));
  }
}
"""
"""Waits in the page: Playwright's `wait_for_function` takes the promise of an async function for
a true value."""


@dataclass(frozen=True)
class Inbound:
    """What Chromium says of the incoming video."""

    decoded: int
    keys: int
    received: int
    codec: str


async def inbound(person: Person, frames: int = 1, missing: int = 1000) -> Inbound:
    """Once that many frames have been decoded since the first, and no more than `missing` of those
    received have not (yet): a frame that cannot be decoded is missing for good."""
    async with asyncio.timeout(PATIENCE_MS / 1000):
        return Inbound(**await person.page.evaluate(INBOUND, [frames, missing]))


@pytest.mark.parametrize("codec", ["VP8", "H264"])
async def test_chromium_plays_a_clip(
    browser: Browser, program: Program, room: str, codec: Codec
) -> None:
    clip = await make_clip(ClipSpec(codec, 320, 180, FPS, 300_000, seconds=SECONDS, gop_s=1.0))
    token = program.token(room, "host", "host")
    host = LightPeer("sendonly", video_codecs=(codec,))
    async with aiohttp.ClientSession(program.url) as http:
        try:
            await host.connect(http, f"/whip/{room}", token)
            publisher = ClipPublisher(host, [(None, clip)], rng=random.Random(1))
            async with asyncio.TaskGroup() as group:
                sending = group.create_task(publisher.run(), name="clip-publisher")
                viewer = await enter(browser, program, room, "viewer", "viewer")
                await plays_on(viewer, host, publisher, f"video/{codec}")
                sending.cancel()
        finally:
            await host.close(http, token)


async def plays_on(viewer: Person, host: LightPeer, publisher: ClipPublisher, codec: str) -> None:
    await viewer.wait_picture(0)
    await viewer.wait_heard(1)
    start = await inbound(viewer)
    assert start.codec == codec
    missing = start.received - start.decoded + IN_FLIGHT
    over = await inbound(viewer, start.decoded + ONE_AND_A_HALF_ROUNDS, missing)
    assert over.keys > start.keys
    before = publisher.stats.key_frames
    assert host.on_keyframe_request is not None
    host.on_keyframe_request(host.ssrc_of("video"))
    end = await inbound(viewer, over.decoded + ONE_AND_A_HALF_ROUNDS, missing)
    assert end.keys > over.keys
    assert publisher.stats.key_frames > before

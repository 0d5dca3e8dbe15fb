"""Chromium sends three layers, and a viewer's picture moves between them without a break."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import pytest
from playwright.async_api import Browser, expect

from loadtest.targets.program import Program
from tests.browser.people import PATIENCE_MS, Person, enter

LONGEST_STILL_S: Final = 1.0

SENT: Final = """
async () => [...(await window.lianmaiRoom.media.uplink.getStats()).values()]
  .filter(of => of.type === 'outbound-rtp' && of.kind === 'video')
  .map(of => [of.rid, of.frameHeight ?? 0])
"""

WATCH: Final = """
async ([layer, height, patienceMs, forMs]) => {
  const media = window.lianmaiRoom.media;
  const seen = [];
  const look = async () => {
    for (const of of (await media.downlink.getStats()).values()) {
      if (of.type !== 'inbound-rtp' || of.kind !== 'video' || !of.framesDecoded) continue;
      seen.push({at: performance.now() / 1000, frames: of.framesDecoded,
        height: of.frameHeight, frozen: of.totalFreezesDuration, lost: of.packetsLost});
    }
    await new Promise(done => setTimeout(done, 50));
  };
  await look();
  media.setMaxLayer(layer);
  const giveUp = performance.now() + patienceMs;
  while (seen.at(-1)?.height !== height && performance.now() < giveUp) await look();
  const enough = performance.now() + forMs;
  while (performance.now() < enough) await look();
  return seen;
}
"""
"""Ask for a layer; what was decoded, twenty times a second, until it came and a while longer."""


async def heights_sent(host: Person) -> dict[str, int]:
    return dict(await host.page.evaluate(SENT))


@pytest.mark.alone
async def test_a_viewers_picture_moves_between_layers_without_a_break(
    browser: Browser, program: Program, room: str
) -> None:
    host = await enter(browser, program, room, "host", "host")
    await host.by_id("go-live").click()
    await expect(host.by_id("end-show")).to_be_visible(timeout=PATIENCE_MS)
    viewer = await enter(browser, program, room, "ann", "viewer")
    await viewer.wait_picture(0)
    offers = await viewer.offers_sent()
    heights: list[int] = []
    frozen = 0.0
    for layer, height in (("low", 180), ("medium", 360), ("low", 180), (None, 720)):
        seen = await viewer.page.evaluate(WATCH, [layer, height, 2 * PATIENCE_MS, 700])
        heights.append(seen[-1]["height"])
        frames = [(seen[0]["at"], seen[0]["frames"])]
        frames += [
            (after["at"], after["frames"])
            for before, after in pairwise(seen)
            if after["frames"] > before["frames"]
        ]
        still = max(after - before for (before, _), (after, _) in pairwise(frames))
        assert still < LONGEST_STILL_S, f"the picture stood still on its way to {layer}"
        frozen = seen[-1]["frozen"]
    assert heights == [180, 360, 180, 720], await heights_sent(host)
    assert frozen < LONGEST_STILL_S
    assert await viewer.offers_sent() == offers, "no new offer for another layer"

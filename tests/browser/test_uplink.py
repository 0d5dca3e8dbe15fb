"""A browser's encoder follows its uplink, by the transport-wide feedback it gets."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest
from playwright.async_api import Browser, expect

from loadtest.network.conditions import Conditions, LinkConditions
from loadtest.network.impaired import impaired
from loadtest.targets.program import Program, serving
from tests.browser.conftest import SETTINGS
from tests.browser.people import PATIENCE_MS, Person, enter
from tests.support.chromium_inside import chromium_inside

CHROMIUM_STARTS_AT_BPS: Final = 300_000
NARROW_BPS: Final = 300_000
"""Less than the fake camera's picture takes (about 400 kbit/s): left alone, it fills this link."""
SEED: Final = 4
UNSETTLED: Final = 20
"""Samples: the first five seconds."""

FOLLOW: Final = """
async ([wantedBps, samples]) => {
  const pc = window.lianmaiRoom.media.uplink;
  const seen = {answer: '', available: [], target: [], sent: []};
  for (let count = 0; count < samples; count++) {
    let [target, sent] = [0, 0];
    for (const report of (await pc.getStats()).values()) {
      if (report.type === 'candidate-pair' && report.nominated)
        seen.available.push(report.availableOutgoingBitrate ?? 0);
      if (report.type === 'outbound-rtp' && report.kind === 'video') {
        target += report.targetBitrate ?? 0;
        sent += report.framesSent;
      }
    }
    seen.target.push(target);
    seen.sent.push(sent);
    if (seen.available.at(-1) > wantedBps && seen.target.at(-1) > wantedBps) break;
    await new Promise(done => setTimeout(done, 250));
  }
  seen.answer = pc.remoteDescription.sdp;
  return seen;
}
"""
"""What Chromium believes of its uplink, four times a second, or until that is what is wanted. Its
layers are added up."""


@dataclass(frozen=True, slots=True)
class Uplink:
    """`available` is the estimate, `target` what the encoders are told, in bit/s; `sent` frames of
    all layers."""

    answer: str
    available: list[float]
    target: list[float]
    sent: list[int]


async def follow(host: Person, *, until_bps: float, for_s: float) -> Uplink:
    return Uplink(**await host.page.evaluate(FOLLOW, [until_bps, int(4 * for_s)]))


async def go_live(browser: Browser, program: Program, room: str) -> Person:
    host = await enter(browser, program, room, "host", "host")
    await host.by_id("go-live").click()
    await expect(host.by_id("end-show")).to_be_visible(timeout=PATIENCE_MS)
    return host


async def test_the_estimate_rises_on_a_wide_link(
    browser: Browser, program: Program, room: str
) -> None:
    host = await go_live(browser, program, room)
    wanted_bps = 1.5 * CHROMIUM_STARTS_AT_BPS
    uplink = await follow(host, until_bps=wanted_bps, for_s=PATIENCE_MS / 1000)
    assert uplink.answer.count("transport-cc\r\n") == 2, "audio and video"
    assert uplink.available[-1] > wanted_bps
    assert uplink.target[-1] > wanted_bps, "the encoder takes what there is"


@pytest.mark.alone
async def test_the_encoder_stays_within_a_narrow_link(room: str, tmp_path: Path) -> None:
    narrow = Conditions(rate_bps=NARROW_BPS, queue_ms=500)
    conditions = LinkConditions(uplink=narrow, downlink=Conditions())
    async with impaired(conditions, SEED, how="tun") as network:
        address = network.gateway_address
        settings = {**SETTINGS, "LIANMAI_PUBLIC_IP": address}
        async with (
            serving(settings, host="0.0.0.0", address=address) as program,
            chromium_inside(network, program, tmp_path) as browser,
        ):
            host = await go_live(browser, program, room)
            before = (await network.counters()).uplink
            uplink = await follow(host, until_bps=100 * NARROW_BPS, for_s=15)
            after = (await network.counters()).uplink
    # The start, single probes and their outcome may be above the link: what lasts is judged.
    assert statistics.median(uplink.available) < 1.5 * NARROW_BPS
    assert statistics.median(uplink.target) < NARROW_BPS
    dropped = after.queue_dropped - before.queue_dropped
    assert dropped <= 0.05 * (after.packets_in - before.packets_in), "by delay, before loss"
    # Without news from the server Chromium only ever steps down.
    lasting = uplink.available[UNSETTLED:]
    assert any(later > earlier for earlier, later in pairwise(lasting)), "and tries for more"
    assert uplink.sent[-1] > uplink.sent[0] + 100, "and the picture goes on"

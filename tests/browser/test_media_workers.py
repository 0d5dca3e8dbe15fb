"""The pages are back by themselves when a media worker died (how soon: tests/fault)."""

from __future__ import annotations

import os
import signal

import psutil
import pytest
from playwright.async_api import Browser, expect

from loadtest.targets.program import Program, serving
from tests.browser.people import PATIENCE_MS, enter

KEEP_ENDS = """
() => {
  window.endedPeers = [];
  window.lianmaiRoom.addEventListener('peer', event => {
    if (event.detail.state === 'closed') window.endedPeers.push(event.detail.reason);
  });
}
"""
MOVING_AGAIN = """
async patienceMs => {
  const frames = () => document.querySelector('[data-testid=stage-video-0]')
    ?.getVideoPlaybackQuality().totalVideoFrames ?? 0;
  const giveUp = performance.now() + patienceMs;
  for (let before = frames(); performance.now() < giveUp; before = frames()) {
    await new Promise(done => setTimeout(done, 200));
    if (frames() > before) return true;
  }
  return false;
}
"""
"""Frames are shown, by whichever element the page shows now; what was decoded already when the
worker died is over by the time this is asked."""


def workers_of(program: Program) -> list[psutil.Process]:
    return [
        child
        for child in psutil.Process(program.pid).children()
        if "media.worker" in child.cmdline()
    ]


@pytest.mark.alone
async def test_the_pages_come_back_after_their_worker_was_killed(
    browser: Browser, room: str
) -> None:
    async with serving({"LIANMAI_MEDIA_WORKERS": "1"}) as program:
        host = await enter(browser, program, room, "host", "host")
        await host.by_id("go-live").click()
        await expect(host.by_id("end-show")).to_be_visible(timeout=PATIENCE_MS)
        viewer = await enter(browser, program, room, "xiaolu", "viewer")
        await viewer.wait_picture(0)
        await viewer.page.evaluate(KEEP_ENDS)
        [worker] = workers_of(program)
        os.kill(worker.pid, signal.SIGKILL)
        await viewer.page.wait_for_function(
            "() => window.endedPeers.length > 0", timeout=PATIENCE_MS
        )
        assert await viewer.page.evaluate("() => window.endedPeers") == ["worker_lost"]
        assert await viewer.page.evaluate(MOVING_AGAIN, PATIENCE_MS), "no picture came back"
        [again] = workers_of(program)
        assert again.pid != worker.pid

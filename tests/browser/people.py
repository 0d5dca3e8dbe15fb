"""The people of a browser test: each has a context (storage, locale) and a page of their own."""

from __future__ import annotations

from dataclasses import dataclass

from playwright.async_api import Browser, Locator, Page

from loadtest.targets.program import Program
from loadtest.targets.target import Role

PATIENCE_MS = 15_000
"""Longest wait for anything a person waits for; a shared machine may be slow."""

BRIGHTNESS = """
video => {
  const canvas = document.createElement('canvas');
  canvas.width = 32; canvas.height = 18;
  const paint = canvas.getContext('2d');
  paint.drawImage(video, 0, 0, 32, 18);
  const data = paint.getImageData(0, 0, 32, 18).data;
  let sum = 0;
  for (let i = 0; i < data.length; i += 4) sum += data[i] + data[i + 1] + data[i + 2];
  return sum / (data.length / 4) / 3;
}
"""

HEARD = """
async wanted => {
  const stats = await window.lianmaiRoom.media.downlink.getStats();
  const heard = [...stats.values()].filter(
    report => report.type === 'inbound-rtp' && report.kind === 'audio'
      && report.totalAudioEnergy > 0);
  return heard.length >= wanted;
}
"""


@dataclass
class Person:
    user: str
    page: Page

    def by_id(self, test_id: str) -> Locator:
        return self.page.get_by_test_id(test_id)

    async def wait_picture(self, seat: int) -> None:
        """Until the seat's video has decoded frames, keeps decoding, and is not black."""
        video = self.by_id(f"stage-video-{seat}")
        await video.wait_for(state="visible", timeout=PATIENCE_MS)
        handle = await video.element_handle()
        assert handle is not None, f"seat {seat} has a video element"
        first = await handle.evaluate("v => v.getVideoPlaybackQuality().totalVideoFrames")
        await self.page.wait_for_function(
            "([v, n]) => v.getVideoPlaybackQuality().totalVideoFrames > n + 10",
            arg=[handle, first],
            timeout=PATIENCE_MS,
        )
        brightness = await handle.evaluate(BRIGHTNESS)
        assert brightness > 5, f"{self.user} sees a black picture in seat {seat}"

    async def frames(self, seat: int) -> int:
        """Frames that the seat's video element has shown since it began."""
        count = await self.by_id(f"stage-video-{seat}").evaluate(
            "v => v.getVideoPlaybackQuality().totalVideoFrames"
        )
        assert isinstance(count, int)
        return count

    async def wait_heard(self, sources: int) -> None:
        """Until that many incoming audio streams carried sound (the fake microphone beeps)."""
        await self.page.wait_for_function(HEARD, arg=sources, timeout=PATIENCE_MS)

    async def wait_no_picture(self, seat: int) -> None:
        await self.by_id(f"stage-video-{seat}").wait_for(state="hidden", timeout=PATIENCE_MS)

    async def offers_sent(self) -> int:
        count = await self.page.evaluate("() => window.lianmaiRoom.media.offersSent")
        assert isinstance(count, int)
        return count


async def enter(
    browser: Browser, program: Program, room: str, user: str, role: Role, *, locale: str = "zh-CN"
) -> Person:
    """Open the page that fits the role with a fresh token; collects console errors."""
    context = await browser.new_context(locale=locale, permissions=["camera", "microphone"])
    page = await context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    path = "console" if role in ("host", "staff") else "room"
    token = program.token(room, user, role)
    await page.goto(f"{program.url}/{path}/{room}#token={token}")
    return Person(user, page)

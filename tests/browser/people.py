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
async ([wanted, patienceMs]) => {
  const isAudible = video => !video.muted && !video.paused && video.volume > 0;
  const audible = () => new Set([...document.querySelectorAll('video')].filter(isAudible)
    .flatMap(video => video.srcObject?.getAudioTracks() ?? [])
    .filter(track => track.enabled).map(track => track.id));
  const energies = async () => {
    const tracks = audible();
    const stats = await window.lianmaiRoom.media.downlink.getStats();
    return new Map([...stats.values()]
      .filter(of => of.type === 'inbound-rtp' && of.kind === 'audio')
      .filter(of => tracks.has(of.trackIdentifier))
      .map(of => [of.id, of.totalAudioEnergy]));
  };
  const first = await energies();
  const giveUp = performance.now() + patienceMs;
  for (;;) {
    const heard = [...await energies()].filter(([id, energy]) => energy > (first.get(id) ?? 0));
    if (heard.length >= wanted || performance.now() > giveUp) return heard.length;
    await new Promise(done => setTimeout(done, 50));
  }
}
"""
"""How many incoming streams gave sound since the call, out of elements that are not muted. Waits
in the page: Playwright's `wait_for_function` takes the promise of an async function for true."""


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
        """Until that many incoming audio streams gave sound (the fake microphone beeps) out of
        what this person has on; who is asked to tap for sound, as viewers are, does so."""
        unmute = self.by_id("unmute")
        if await unmute.is_visible():
            await unmute.click()
        heard = await self.heard(sources, PATIENCE_MS)
        assert heard >= sources, f"{self.user} hears {heard} of {sources}"

    async def heard(self, sources: int, patience_ms: float) -> int:
        """How many incoming audio streams give sound, once it is `sources` or time is up."""
        count = await self.page.evaluate(HEARD, [sources, patience_ms])
        assert isinstance(count, int)
        return count

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

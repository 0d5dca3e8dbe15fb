"""Firefox on the real pages: it watches, it publishes, and where it lacks a codec it says so.

Debian's Firefox has VP8, VP9 and AV1. Its H.264 is a plugin that it downloads, so here it has none.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import aiohttp
from playwright.async_api import Browser, expect

from loadtest.targets.program import Program, serving
from loadtest.targets.target import Role
from tests.browser.conftest import SETTINGS
from tests.browser.people import BRIGHTNESS, HEARD, PATIENCE_MS, enter
from tests.browser.test_other_makes import CODEC, ffmpeg_host, wait_live
from tests.browser.test_simulcast import WATCH
from tests.network.test_address_change import Router
from tests.support.firefox import Firefox, FirefoxPage, firefox

PICTURES: Final = """
async count => {
  const video = document.querySelector('[data-testid=stage-video-0]');
  if (!video?.checkVisibility() || !video.videoWidth) return false;
  for (let shown = 0; shown < count; shown++)
    await Promise.race([
      new Promise(done => video.requestVideoFrameCallback(done)),
      new Promise((_, fail) => setTimeout(() => fail(new Error('the picture stands')), 10_000)),
    ]);
  return true;
}
"""
"""That many more pictures were shown. (`getVideoPlaybackQuality` counts no live ones here.)"""
SEEN: Final = "test_id => document.querySelector(`[data-testid=${test_id}]`)?.checkVisibility()"
SHOWN: Final = (
    f"() => ({BRIGHTNESS.strip()})(document.querySelector('[data-testid=stage-video-0]'))"
)
TOLD: Final = "() => document.querySelector('[data-testid=seat-0]')?.innerText.includes('Chrome')"
OFFER: Final = """
async () => {
  const pc = window.pc = new RTCPeerConnection();
  pc.addTransceiver('video', {direction: 'recvonly'});
  await pc.setLocalDescription();
  return pc.localDescription.sdp;
}
"""
ANSWER: Final = "async sdp => { await window.pc.setRemoteDescription({type: 'answer', sdp}); }"
MORE_DECODED: Final = """
async than => {
  const stats = [...(await window.pc.getStats()).values()];
  const frames = stats.find(each => each.type === 'inbound-rtp')?.framesDecoded ?? 0;
  return frames > than && frames;
}
"""
REFUSED: Final = "() => document.querySelector('[data-testid=toast]')?.innerText"
QUALITY: Final = "() => window.lianmaiRoom.media.quality()"


@contextlib.asynccontextmanager
async def reachable(codecs: str) -> AsyncIterator[Program]:
    """A program with that codec policy, on the addresses of this machine: Firefox makes no
    candidates on loopback and pairs none with it."""
    async with serving({**SETTINGS, "LIANMAI_CODECS_VIDEO": codecs}, host="0.0.0.0") as program:
        yield program


async def open_page(
    browser: Firefox, program: Program, room: str, user: str, role: Role
) -> FirefoxPage:
    page = await browser.new_page()
    path = "console" if role == "host" else "room"
    await page.goto(f"{program.url}/{path}/{room}#token={program.token(room, user, role)}")
    return page


async def wait_picture(page: FirefoxPage) -> None:
    """Moving, and not black."""
    await page.wait(PICTURES, 10, what="picture")
    assert await page.evaluate(SHOWN) > 5, "a black picture"


async def transports(program: Program, room: str) -> dict[str, dict[str, Any]]:
    """What the server knows of them, by direction."""
    headers = {"Authorization": f"Bearer {program.token(room, 'sam', 'staff')}"}
    async with (
        aiohttp.ClientSession(program.url, headers=headers) as http,
        http.get(f"/api/v1/rooms/{room}/media") as response,
    ):
        assert response.status == 200, await response.text()
        return {peer["direction"]: peer for peer in (await response.json())["peers"]}


async def wait_estimate(program: Program, room: str) -> dict[str, Any]:
    """The viewer's transport, once its REMB and its receiver reports have come."""
    async with asyncio.timeout(PATIENCE_MS / 1000):
        while True:
            viewer = (await transports(program, room))["play"]
            if viewer["stats"]["estimate_bps"] and viewer["stats"]["rtt_ms"] is not None:
                return viewer
            await asyncio.sleep(0.2)


async def test_firefox_watches_chromium(browser: Browser, room: str, tmp_path: Path) -> None:
    async with reachable('["vp8"]') as program, firefox(tmp_path) as other:
        host = await enter(browser, program, room, "host", "host")
        await host.by_id("go-live").click()
        await expect(host.by_id("end-show")).to_be_visible(timeout=PATIENCE_MS)
        viewer = await open_page(other, program, room, "viewer", "viewer")
        await wait_picture(viewer)
        await viewer.click("unmute")
        assert await viewer.evaluate(HEARD, [1, PATIENCE_MS]) == 1, "sound after a tap"
        assert await viewer.evaluate(CODEC) == "video/VP8"
        assert (await wait_estimate(program, room))["stats"]["packets_out"] > 0
        assert (await viewer.evaluate(QUALITY))["play"]["path"] == "udp"
        assert viewer.complaints == []


async def test_firefox_publishes_layers_where_h264_is_preferred(
    browser: Browser, room: str, tmp_path: Path
) -> None:
    async with reachable('["h264", "vp8"]') as program, firefox(tmp_path) as other:
        host = await open_page(other, program, room, "host", "host")
        await host.click("go-live")
        await host.wait(SEEN, "end-show", what="show")
        viewer = await enter(browser, program, room, "viewer", "viewer")
        await viewer.wait_picture(0)
        await viewer.wait_heard(1)
        assert await viewer.page.evaluate(CODEC) == "video/VP8"
        (track,) = [t for t in (await transports(program, room))["publish"]["stats"]["tracks"]
                    if t["codec"] == "vp8"]  # fmt: skip
        assert [layer["rid"] for layer in track["layers"]] == ["q", "h", "f"]
        seen = await viewer.page.evaluate(WATCH, ["low", 180, PATIENCE_MS, 200])
        assert seen[-1]["height"] == 180
        assert host.complaints == []


async def test_vp9_between_firefoxes_over_tcp(room: str, tmp_path: Path) -> None:
    without_udp = {"media.peerconnection.ice.force_ice_tcp": True}
    async with reachable('["vp9"]') as program, firefox(tmp_path, without_udp) as browser:
        host = await open_page(browser, program, room, "host", "host")
        await host.click("go-live")
        await host.wait(SEEN, "end-show", what="show")
        viewer = await open_page(browser, program, room, "viewer", "viewer")
        await wait_picture(viewer)
        assert await viewer.evaluate(CODEC) == "video/VP9"
        quality = await viewer.evaluate(QUALITY)
        assert quality["play"]["path"] == "tcp"


def through(answer: str) -> tuple[Router, str]:
    """A router in front of the server's first address, and the answer that names it alone."""
    found = re.search(r"a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ host", answer)
    assert found is not None, answer
    router = Router((found[1], int(found[2])), found[1])
    ours = f"a=candidate:1 1 udp 2130706431 {found[1]} {router.port} typ host\r\n"
    others = re.sub(r"a=candidate:.*\r\n", "", answer)
    return router, others.replace("a=end-of-candidates", ours + "a=end-of-candidates", 1)


async def test_media_follows_a_firefox_whose_router_forgets_it(room: str, tmp_path: Path) -> None:
    """Firefox nominates once: its checks for consent, every 5 s, are all that tells."""
    async with reachable('["vp8"]') as program, firefox(tmp_path) as browser:
        host = await open_page(browser, program, room, "host", "host")
        await host.click("go-live")
        await host.wait(SEEN, "end-show", what="show")
        viewer = await browser.new_page()
        await viewer.goto(program.url)
        headers = {
            "Authorization": f"Bearer {program.token(room, 'viewer', 'viewer')}",
            "Content-Type": "application/sdp",
        }
        async with (
            aiohttp.ClientSession(program.url, headers=headers) as http,
            http.post(f"/whep/{room}", data=await viewer.evaluate(OFFER)) as response,
        ):
            assert response.status == 201, await response.text()
            router, answer = through(await response.text())
        with contextlib.closing(router):
            await viewer.evaluate(ANSWER, answer)
            seen = await viewer.wait(MORE_DECODED, 5, what="pictures")
            router.forget()
            # Some may have been on their way already, in the browser.
            await viewer.wait(MORE_DECODED, seen + 20, what="pictures by another port")
            assert await viewer.evaluate("() => window.pc.iceConnectionState") == "connected"


async def test_firefox_is_told_where_there_is_only_h264(room: str, tmp_path: Path) -> None:
    async with reachable('["h264"]') as program, firefox(tmp_path) as browser:
        async with ffmpeg_host(program, room):
            await wait_live(program, room)
            viewer = await open_page(browser, program, room, "viewer", "viewer")
            await viewer.wait(TOLD, what="word on the codec")
        host = await open_page(browser, program, "other", "host", "host")
        await host.click("go-live")
        assert "Chrome" in await host.wait(REFUSED, what="word on the codec")

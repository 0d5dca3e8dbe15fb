"""Networks where UDP vanishes without a word: the viewer page finds another way by itself."""

from __future__ import annotations

import time
from pathlib import Path

from playwright.async_api import Browser

from loadtest.network.veth import veth_pair
from loadtest.targets.program import Ports, Program, serving
from tests.browser.conftest import SETTINGS
from tests.browser.people import PATIENCE_MS, Person
from tests.browser.test_other_makes import ffmpeg_host, wait_live
from tests.browser.test_turn import paths
from tests.support.namespace_browser import chromium_inside, vanish
from tests.support.relay import TURN_SECRET, coturn

SHOWN = """
() => [...document.querySelectorAll('video')]
  .some(video => video.getVideoPlaybackQuality().totalVideoFrames > 0)
"""


async def open_page(browser: Browser, program: Program, room: str) -> tuple[Person, float]:
    """The viewer page, and how long it took from the address bar to the first picture."""
    page = await browser.new_page()
    page.set_default_timeout(PATIENCE_MS)
    token = program.token(room, "viewer", "viewer")
    started = time.monotonic()
    await page.goto(f"{program.url}/room/{room}#token={token}")
    await page.wait_for_function(SHOWN, timeout=PATIENCE_MS)
    return Person("viewer", page), time.monotonic() - started


async def test_the_page_shows_a_picture_over_ice_tcp(room: str, tmp_path: Path) -> None:
    async with veth_pair() as link:
        settings = {**SETTINGS, "LIANMAI_PUBLIC_IP": f"[{link.outside_address}]"}
        vanish(link, "udp")
        async with (
            serving(settings, host="0.0.0.0", address=link.outside_address) as program,
            ffmpeg_host(program, room),
            chromium_inside(link.namespace, tmp_path) as browser,
        ):
            await wait_live(program, room)
            viewer, waited_s = await open_page(browser, program, room)
            print(f"ICE-TCP: first picture {waited_s:.2f} s after navigation")
            await viewer.wait_picture(0)
            (path,) = await paths(viewer.page, "window.lianmaiRoom.media.downlink")
            assert path[0] in ("host", "prflx")


async def test_the_page_shows_a_picture_over_turn_and_tls(room: str, tmp_path: Path) -> None:
    """The media port is out of reach by UDP and by TCP; only HTTP and the relay are left."""
    async with veth_pair() as link, coturn(tmp_path, link.outside_address) as relay:
        ports = Ports.free()
        vanish(link, "udp")
        vanish(link, "tcp", ports.udp)
        settings = {
            **SETTINGS,
            "LIANMAI_PUBLIC_IP": f"[{link.outside_address}]",
            "LIANMAI_TURN_SERVERS": relay.url("tls"),
            "LIANMAI_TURN_SECRET": TURN_SECRET,
        }
        async with (
            serving(settings, host="0.0.0.0", address=link.outside_address, ports=ports) as program,
            ffmpeg_host(program, room),
            chromium_inside(link.namespace, tmp_path, "--ignore-certificate-errors") as browser,
        ):
            await wait_live(program, room)
            viewer, waited_s = await open_page(browser, program, room)
            print(f"TURN over TLS: first picture {waited_s:.2f} s after navigation")
            await viewer.wait_picture(0)
            assert await paths(viewer.page, "window.lianmaiRoom.media.downlink") == {
                ("relay", "tls")
            }

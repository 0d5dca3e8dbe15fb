"""A phone that goes from Wi-Fi to mobile: the picture goes on without a new join."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.async_api import Page

from loadtest.network.iproute import ip
from loadtest.network.veth import Link, veth_pair
from loadtest.targets.program import Program, serving
from tests.browser.conftest import SETTINGS
from tests.browser.test_ice_tcp import play, publish, wait_frames, whep
from tests.browser.test_other_makes import ffmpeg_host, wait_live
from tests.support.namespace_browser import chromium_inside

RESTART = r"""
async token => {
  const pc = window.pc, old = pc.remoteDescription.sdp;
  pc.restartIce();
  await pc.setLocalDescription();
  const value = (sdp, name) => sdp.match(new RegExp(`^a=${name}:(.*?)\\r?$`, 'm'))[1];
  const mine = pc.localDescription.sdp;
  const response = await fetch(window.session, {
    method: 'PATCH',
    headers: {
      'Content-Type': 'application/trickle-ice-sdpfrag', 'If-Match': '*',
      'Authorization': 'Bearer ' + token,
    },
    body: `a=ice-ufrag:${value(mine, 'ice-ufrag')}\r\na=ice-pwd:${value(mine, 'ice-pwd')}\r\n`,
  });
  if (response.status !== 200) throw new Error(response.status + ' ' + await response.text());
  const theirs = await response.text();
  const sdp = old
    .replace(/^a=ice-ufrag:.*?\r$/gm, `a=ice-ufrag:${value(theirs, 'ice-ufrag')}\r`)
    .replace(/^a=ice-pwd:.*?\r$/gm, `a=ice-pwd:${value(theirs, 'ice-pwd')}\r`);
  await pc.setRemoteDescription({type: 'answer', sdp});
}
"""


class Uplinks(NamedTuple):
    """Two ways out of one namespace, `wifi` first, and a program that both reach."""

    wifi: Link
    mobile: Link
    program: Program


@pytest.fixture
async def uplinks() -> AsyncIterator[Uplinks]:
    async with veth_pair() as wifi, veth_pair(wifi.namespace) as mobile:
        settings = {**SETTINGS, "LIANMAI_PUBLIC_IP": f"[{wifi.outside_address}]"}
        async with serving(settings, host="0.0.0.0", address=wifi.outside_address) as program:
            yield Uplinks(wifi, mobile, program)


def leave_wifi(uplinks: Uplinks) -> float:
    """Its address and its routes are gone; the other default route remains."""
    namespace = uplinks.wifi.namespace.name
    ip("-n", namespace, "link", "set", uplinks.wifi.inside_name, "down")
    return time.monotonic()


async def state_of(page: Page) -> str:
    state = await page.evaluate("() => window.pc.iceConnectionState")
    assert isinstance(state, str)
    return state


async def test_a_viewer_goes_from_one_network_to_the_other(
    uplinks: Uplinks, room: str, tmp_path: Path
) -> None:
    async with ffmpeg_host(uplinks.program, room):
        await wait_live(uplinks.program, room)
        async with chromium_inside(uplinks.wifi.namespace, tmp_path) as browser:
            page, _ = await play(browser, *whep(uplinks.program, room, "viewer"))
            await wait_frames(page, 25)
            left = leave_wifi(uplinks)
            await wait_frames(page, 30)
            print(f"viewer: 30 more frames {time.monotonic() - left:.2f} s after the change")
            assert await state_of(page) in ("connected", "completed")


async def test_a_publisher_goes_from_one_network_to_the_other(
    uplinks: Uplinks, room: str, tmp_path: Path
) -> None:
    program = uplinks.program
    flag = f"--unsafely-treat-insecure-origin-as-secure={program.url}"
    async with (
        chromium_inside(uplinks.wifi.namespace, tmp_path, flag) as browser,
        chromium_inside(uplinks.mobile.namespace, tmp_path) as watching,
    ):
        token = program.token(room, "host", "host")
        host = await publish(browser, f"{program.url}/whip/{room}", token)
        await wait_live(program, room)
        viewer, _ = await play(watching, *whep(program, room, "viewer"))
        await wait_frames(viewer, 25)
        left = leave_wifi(uplinks)
        await wait_frames(viewer, 30)
        print(f"publisher: 30 more frames {time.monotonic() - left:.2f} s after the change")
        assert await state_of(host) in ("connected", "completed")


async def test_a_network_that_appears_later_is_used_by_an_ice_restart(
    room: str, tmp_path: Path
) -> None:
    """The browser knew no way out but the one that went; the page asks for a restart by PATCH."""
    async with veth_pair() as wifi, veth_pair() as other:
        settings = {**SETTINGS, "LIANMAI_PUBLIC_IP": f"[{other.outside_address}]"}
        async with (
            serving(settings, host="0.0.0.0", address=other.outside_address) as program,
            ffmpeg_host(program, room),
            chromium_inside(wifi.namespace, tmp_path) as browser,
        ):
            await wait_live(program, room)
            url, token = whep(program, room, "viewer")
            page, _ = await play(browser, url, token)
            await wait_frames(page, 25)
            ip("-n", wifi.namespace.name, "link", "set", wifi.inside_name, "down")
            async with veth_pair(wifi.namespace):
                left = time.monotonic()
                await page.evaluate(RESTART, token)
                await wait_frames(page, 30)
                print(f"restart: 30 more frames {time.monotonic() - left:.2f} s after it was asked")
                assert await state_of(page) in ("connected", "completed")

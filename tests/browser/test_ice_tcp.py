"""A network that blocks UDP: real Chromium sees and sends pictures over TCP, others by UDP."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urljoin

import pytest
from playwright.async_api import Browser, Page, async_playwright

from loadtest.bench.first_frame import CHROMIUM_FLAGS
from loadtest.targets.program import Program
from media.worker import LocalMedia
from server.app_keys import MEDIA
from tests.browser.conftest import FAKE_CAMERA
from tests.browser.people import enter
from tests.browser.test_other_makes import ffmpeg_host, wait_live
from tests.support.drop_filter import drop_all
from tests.support.server import serving

NO_UDP: Final = "--webrtc-ip-handling-policy=disable_non_proxied_udp"
"""Chromium opens no UDP socket at all then, as behind a firewall that drops UDP."""
PICTURE_WITHIN_S: Final = 3.0

PLAY: Final = """
async ([url, token]) => {
  const pc = window.pc = new RTCPeerConnection({bundlePolicy: 'max-bundle'});
  const video = window.video = document.createElement('video');
  video.muted = true; video.autoplay = true; video.playsInline = true;
  document.body.append(video);
  pc.addTransceiver('audio', {direction: 'recvonly'});
  pc.addTransceiver('video', {direction: 'recvonly'});
  pc.ontrack = event => {
    if (event.track.kind === 'video') video.srcObject = new MediaStream([event.track]);
  };
  await pc.setLocalDescription();
  const started = performance.now();
  const response = await fetch(url, {
    method: 'POST', body: pc.localDescription.sdp,
    headers: {'Content-Type': 'application/sdp', 'Authorization': 'Bearer ' + token},
  });
  if (response.status !== 201) throw new Error(response.status + ' ' + await response.text());
  const first = new Promise(resolve => video.requestVideoFrameCallback(resolve));
  window.session = response.headers.get('Location');
  await pc.setRemoteDescription({type: 'answer', sdp: await response.text()});
  await first;
  return (performance.now() - started) / 1000;
}
"""
PUBLISH: Final = """
async ([url, token]) => {
  const pc = window.pc = new RTCPeerConnection({bundlePolicy: 'max-bundle'});
  const stream = await navigator.mediaDevices.getUserMedia({audio: true, video: true});
  for (const track of stream.getTracks()) {
    pc.addTransceiver(track, {direction: 'sendonly', streams: [stream]});
  }
  await pc.setLocalDescription();
  const response = await fetch(url, {
    method: 'POST', body: pc.localDescription.sdp,
    headers: {'Content-Type': 'application/sdp', 'Authorization': 'Bearer ' + token},
  });
  if (response.status !== 201) throw new Error(response.status + ' ' + await response.text());
  await pc.setRemoteDescription({type: 'answer', sdp: await response.text()});
}
"""
PATH: Final = """
async () => {
  const stats = await window.pc.getStats();
  const transport = [...stats.values()].find(each => each.type === 'transport');
  const pair = stats.get(transport.selectedCandidatePairId);
  const local = stats.get(pair.localCandidateId), remote = stats.get(pair.remoteCandidateId);
  return {local: local.protocol, remote: remote.protocol, port: remote.port};
}
"""
VIDEO: Final = """
async () => {
  const stats = await window.pc.getStats();
  const video = [...stats.values()].find(
    each => each.type === 'inbound-rtp' && each.kind === 'video');
  return {frames: video.framesDecoded, lost: video.packetsLost};
}
"""
FRAMES: Final = f"""
async ([more, patienceMs]) => {{
  const count = async () => (await ({VIDEO.strip()})()).frames;
  const before = await count(), giveUp = performance.now() + patienceMs;
  for (;;) {{
    const seen = await count() - before;
    if (seen >= more || performance.now() > giveUp) return seen;
    await new Promise(done => setTimeout(done, 50));
  }}
}}
"""


@pytest.fixture
async def blocked_browser() -> AsyncIterator[Browser]:
    """Chromium on a network without UDP."""
    async with chromium(NO_UDP) as started:
        yield started


@contextlib.asynccontextmanager
async def chromium(*flags: str) -> AsyncIterator[Browser]:
    executable = shutil.which("chromium")
    assert executable is not None, "no chromium: run `make test` as root, or install chromium"
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(
            executable_path=executable, args=[*CHROMIUM_FLAGS, *FAKE_CAMERA, *flags]
        )
        try:
            yield started
        finally:
            await started.close()


async def play(browser: Browser, url: str, token: str) -> tuple[Page, float]:
    """A page that shows the room by WHEP, and how long it waited for the first picture."""
    page = await browser.new_page()
    await page.goto(urljoin(url, "/healthz"))
    waited_s = await page.evaluate(PLAY, [url, token])
    return page, float(waited_s)


def whep(program: Program, room: str, user: str) -> tuple[str, str]:
    return f"{program.url}/whep/{room}", program.token(room, user, "viewer")


async def publish(browser: Browser, url: str, token: str) -> Page:
    page = await browser.new_page()
    await page.goto(urljoin(url, "/healthz"))
    await page.evaluate(PUBLISH, [url, token])
    return page


async def path_of(page: Page) -> dict[str, Any]:
    found = await page.evaluate(PATH)
    assert isinstance(found, dict)
    return found


async def wait_frames(page: Page, more: int, patience_s: float = 20.0) -> None:
    """Until so many more pictures were decoded. Waits in the page: Playwright's
    `wait_for_function` takes the promise of an async function for true."""
    seen = await page.evaluate(FRAMES, [more, patience_s * 1000])
    assert seen >= more, f"{seen} of {more} more pictures within {patience_s:g} s"


@pytest.mark.alone
async def test_a_picture_without_udp_and_a_neighbour_with_it(
    browser: Browser, blocked_browser: Browser, program: Program, room: str
) -> None:
    async with ffmpeg_host(program, room):
        await wait_live(program, room)
        neighbour, _ = await play(browser, *whep(program, room, "neighbour"))
        assert (await path_of(neighbour))["remote"] == "udp"
        before = await neighbour.evaluate(VIDEO)
        blocked, waited_s = await play(blocked_browser, *whep(program, room, "blocked"))
        assert waited_s < PICTURE_WITHIN_S
        path = await path_of(blocked)
        assert (path["local"], path["remote"]) == ("tcp", "tcp")
        await wait_frames(blocked, 75)  # three seconds: it is a stream, not a picture
        await wait_frames(neighbour, 25)
        # Not one packet less; freezes are also made by a busy machine.
        assert (await neighbour.evaluate(VIDEO))["lost"] == before["lost"]
        assert (await path_of(neighbour))["remote"] == "udp"


async def test_the_viewer_page_without_udp(
    blocked_browser: Browser, program: Program, room: str
) -> None:
    async with ffmpeg_host(program, room):
        await wait_live(program, room)
        viewer = await enter(blocked_browser, program, room, "viewer", "viewer")
        await viewer.wait_picture(0)
        await viewer.wait_heard(1)


async def test_a_publisher_without_udp(
    browser: Browser, blocked_browser: Browser, program: Program, room: str
) -> None:
    token = program.token(room, "host", "host")
    host = await publish(blocked_browser, f"{program.url}/whip/{room}", token)
    await wait_live(program, room)
    path = await path_of(host)
    assert (path["local"], path["remote"]) == ("tcp", "tcp")
    viewer, _ = await play(browser, *whep(program, room, "viewer"))
    await wait_frames(viewer, 50)


async def test_udp_that_vanishes_on_the_way(browser: Browser, room: str, tmp_path: Path) -> None:
    """No error tells the browser: its checks by UDP and TCP run side by side."""
    async with serving(tmp_path) as server:
        media = server.running.app[MEDIA]
        assert isinstance(media, LocalMedia)
        assert media._udp is not None
        drop_all(media._udp._socket)
        host_token = server.token("host", "host", room)
        host = await publish(browser, f"{server.url}/whip/{room}", host_token)
        viewer_token = server.token("viewer", "viewer", room)
        viewer, waited_s = await play(browser, f"{server.url}/whep/{room}", viewer_token)
        assert waited_s < PICTURE_WITHIN_S
        for page in (host, viewer):
            path = await path_of(page)
            assert (path["local"], path["remote"]) == ("tcp", "tcp")
        await wait_frames(viewer, 50)
        assert media.udp_stats.datagrams_in == 0

"""The light viewer and Chromium watch the same publisher and count the same."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from playwright.async_api import Browser, Page

from loadtest.clip.clip import make_clip
from tests.support.agreement import ByKind, Comparison, Reader, Received, light_reader
from tests.support.crowd_room import SMALL, light_viewer, published
from tests.support.server import LiveServer, serving

PART_S = 3.0

WATCH = """
async ([path, token]) => {
  const pc = window.viewer = new RTCPeerConnection();
  const video = document.body.appendChild(document.createElement('video'));
  video.muted = true;
  video.autoplay = true;
  video.srcObject = new MediaStream();
  pc.ontrack = ({ track }) => video.srcObject.addTrack(track);
  pc.addTransceiver('audio', { direction: 'recvonly' });
  pc.addTransceiver('video', { direction: 'recvonly' });
  await pc.setLocalDescription();
  const response = await fetch(path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/sdp', Authorization: `Bearer ${token}` },
    body: pc.localDescription.sdp,
  });
  const sdp = await response.text();
  if (response.status !== 201) throw new Error(`${response.status} ${sdp}`);
  await pc.setRemoteDescription({ type: 'answer', sdp });
}
"""

COUNTS = """
async () => [...(await window.viewer.getStats()).values()]
  .filter(report => report.type === 'inbound-rtp')
  .map(report => [report.kind, report.packetsReceived, report.packetsLost])
"""


@contextlib.asynccontextmanager
async def chromium_viewer(browser: Browser, server: LiveServer, room: str) -> AsyncIterator[Page]:
    """A WHEP viewer in a page of this server's own origin."""
    page = await browser.new_page()
    try:
        await page.goto(f"{server.url}/healthz")
        await page.evaluate(WATCH, [f"/whep/{room}", server.token("cora", "viewer", room)])
        yield page
    finally:
        await page.close()


def chromium_reader(page: Page) -> Reader:
    """What getStats() says of every incoming stream."""

    async def read() -> ByKind:
        rows = await page.evaluate(COUNTS)
        return {str(kind): Received(int(packets), int(lost)) for kind, packets, lost in rows}

    return read


async def test_counts_agree_with_chromium_to_the_packet(browser: Browser, tmp_path: Path) -> None:
    clip = await make_clip(SMALL)
    async with serving(tmp_path) as server, published(server, room := "agree", clip) as source:
        await source.send(0.3)
        async with (
            light_viewer(server, room) as light,
            chromium_viewer(browser, server, room) as page,
        ):
            compared = Comparison(server, source, [light_reader(light), chromium_reader(page)])
            await compared.start()
            whole = await compared.part(PART_S)
            assert whole.read == [whole.sent, whole.sent]
            assert all(each.packets > 50 and each.lost == 0 for each in whole.sent.values())
            holed = await compared.part(PART_S, withhold=20)
            assert holed.read == [holed.sent, holed.sent]
            assert all(each.lost > 0 for each in holed.sent.values())

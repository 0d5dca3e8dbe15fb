"""How long a viewer waits: from the WHEP POST to the first picture decoded in real Chromium."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
from collections.abc import AsyncIterator
from typing import Final, NamedTuple

from playwright.async_api import Page, async_playwright

from loadtest.publisher import TOKEN_VARIABLE
from loadtest.report.percentiles import percentile
from loadtest.room_client import RoomClient, wait_camera
from loadtest.targets.program import Program, serving, unguessable

CHROMIUM_FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)

PLAY: Final = """
async ([url, token]) => {
  const pc = new RTCPeerConnection({bundlePolicy: 'max-bundle'});
  const video = document.createElement('video');
  video.muted = true; video.autoplay = true; video.playsInline = true;
  document.body.append(video);
  const audio = pc.addTransceiver('audio', {direction: 'recvonly'});
  const picture = pc.addTransceiver('video', {direction: 'recvonly'});
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
  const answered = performance.now() - started;
  const first = new Promise(resolve => video.requestVideoFrameCallback(resolve));
  await pc.setRemoteDescription({type: 'answer', sdp: await response.text()});
  await first;
  const shown = performance.now() - started;
  pc.close(); video.remove();
  await fetch(response.headers.get('Location'), {
    method: 'DELETE', headers: {'Authorization': 'Bearer ' + token},
  });
  return [answered, shown];
}
"""


class FirstFrame(NamedTuple):
    runs: int
    answer_ms_p50: float
    first_frame_ms_p50: float
    first_frame_ms_p95: float


LIVE_WITHIN_S: Final = 20.0
SETTLE_S: Final = 2.0
"""One group of pictures: the host is no newcomer when the first viewer is."""


async def first_frame(runs: int) -> FirstFrame:
    """With a server and a host of its own. Raises `TargetError` when that cannot start."""
    room = unguessable()
    async with serving({"LIANMAI_LOG_LEVEL": "warning"}) as program, ffmpeg_host(program, room):
        return await measure(program, room, runs)


@contextlib.asynccontextmanager
async def ffmpeg_host(program: Program, room: str) -> AsyncIterator[None]:
    """Live from the first picture on that anybody may see."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "loadtest.publisher", "--whip", f"{program.url}/whip/{room}",
        "--size", "640x360@30", "--bitrate-kbps", "800",
        env={**os.environ, TOKEN_VARIABLE: program.token(room, "host", "host")},
    )  # fmt: skip
    try:
        token = program.token(room, "watch", "staff")
        async with (
            asyncio.timeout(LIVE_WITHIN_S),
            RoomClient(program.socket_url, token) as watcher,
        ):
            await wait_camera(watcher)
        await asyncio.sleep(SETTLE_S)
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def measure(program: Program, room: str, runs: int) -> FirstFrame:
    """`room` must be live. Each run is a new PeerConnection in the same page."""
    executable = shutil.which("chromium")
    if executable is None:
        raise RuntimeError("no chromium on this machine: apt-get install chromium")
    token = program.token(room, "watcher", "viewer")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=executable, args=list(CHROMIUM_FLAGS)
        )
        try:
            page = await browser.new_page()
            await page.goto(f"{program.url}/healthz")
            samples = [await _play(page, program, room, token) for _ in range(runs + 1)][1:]
        finally:
            await browser.close()
    shown = [sample[1] for sample in samples]
    return FirstFrame(
        runs,
        percentile([sample[0] for sample in samples], 0.5),
        percentile(shown, 0.5),
        percentile(shown, 0.95),
    )


async def _play(page: Page, program: Program, room: str, token: str) -> tuple[float, float]:
    answered, shown = await page.evaluate(PLAY, [f"{program.url}/whep/{room}", token])
    return float(answered), float(shown)

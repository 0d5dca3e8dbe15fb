"""How long a viewer waits: from the WHEP POST to the first picture decoded in real Chromium."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from playwright.async_api import Browser, Page

from loadtest.bench.chromium import CHROMIUM_FLAGS, chromium
from loadtest.bench.joins import Join, Joins
from loadtest.network.conditions import Conditions
from loadtest.network.impaired import impaired
from loadtest.publisher import TOKEN_VARIABLE
from loadtest.room_client import RoomClient, wait_camera
from loadtest.targets.program import Program, serving, unguessable

__all__ = ["CHROMIUM_FLAGS", "far_first_frames", "ffmpeg_host", "first_frame", "measure"]

ONE_WAY_MS: Final = 50.0
SEED: Final = 4
SITE: Final = "first-frame.test"
"""Every join asks a host name of its own in it, so that none has a connection from before, while
the pages share a warm process as the tabs of one site do."""

PLAY: Final = """
async ([url, token]) => {
  const pc = new RTCPeerConnection({bundlePolicy: 'max-bundle'});
  const video = document.createElement('video');
  video.muted = true; video.autoplay = true; video.playsInline = true;
  document.body.append(video);
  pc.addTransceiver('audio', {direction: 'recvonly'});
  pc.addTransceiver('video', {direction: 'recvonly'});
  let started;
  const at = {};
  const mark = name => { at[name] ??= performance.now() - started; };
  pc.ontrack = ({track}) => {
    if (track.kind !== 'video') return;
    track.onunmute = () => mark('packet');
    video.srcObject = new MediaStream([track]);
  };
  pc.oniceconnectionstatechange = () => {
    if (['connected', 'completed'].includes(pc.iceConnectionState)) mark('ice');
  };
  pc.onconnectionstatechange = () => { if (pc.connectionState === 'connected') mark('dtls'); };
  await pc.setLocalDescription();
  started = performance.now();
  const response = await fetch(url, {
    method: 'POST', body: pc.localDescription.sdp,
    headers: {'Content-Type': 'application/sdp', 'Authorization': 'Bearer ' + token},
  });
  const answer = await response.text();
  if (response.status !== 201) throw new Error(response.status + ' ' + answer);
  mark('http');
  const first = new Promise(resolve => video.requestVideoFrameCallback(resolve));
  await pc.setRemoteDescription({type: 'answer', sdp: answer});
  await first;
  mark('frame');
  pc.close(); video.remove();
  await fetch(new URL(response.headers.get('Location'), url), {
    method: 'DELETE', headers: {'Authorization': 'Bearer ' + token},
  });
  return {
    http: at.http, ice: at.ice ?? at.frame, dtls: at.dtls ?? at.frame,
    packet: at.packet ?? at.frame, frame: at.frame,
  };
}
"""

PUBLISH: Final = """
async ([url, token]) => {
  const canvas = Object.assign(document.createElement('canvas'), {width: 640, height: 360});
  const picture = canvas.getContext('2d');
  setInterval(() => {
    const at = performance.now();
    for (let x = 0; x < 640; x += 40) {
      picture.fillStyle = `hsl(${(x + at / 5) % 360} 80% 50%)`;
      picture.fillRect(x, 0, 40, 360);
    }
    picture.fillStyle = '#000';
    picture.fillRect(at / 4 % 640, at / 7 % 360, 60, 60);
  }, 33);
  const pc = new RTCPeerConnection({bundlePolicy: 'max-bundle'});
  for (const track of canvas.captureStream(30).getTracks())
    pc.addTransceiver(track, {direction: 'sendonly'});
  await pc.setLocalDescription();
  const response = await fetch(url, {
    method: 'POST', body: pc.localDescription.sdp,
    headers: {'Content-Type': 'application/sdp', 'Authorization': 'Bearer ' + token},
  });
  const answer = await response.text();
  if (response.status !== 201) throw new Error(response.status + ' ' + answer);
  await pc.setRemoteDescription({type: 'answer', sdp: answer});
  window.host = pc;
}
"""
"""A canvas needs neither permission nor a secure page."""

LIVE_WITHIN_S: Final = 20.0
SETTLE_S: Final = 2.0
"""One group of pictures: the host is no newcomer when the first viewer is."""


async def first_frame(runs: int) -> Joins:
    """With a server and a host of its own. Raises `TargetError` when that cannot start."""
    room = unguessable()
    async with serving({"LIANMAI_LOG_LEVEL": "warning"}) as program, ffmpeg_host(program, room):
        return Joins("loopback; FFmpeg host", await measure(program, room, runs))


async def far_first_frames(runs: int, one_way_ms: float = ONE_WAY_MS) -> list[Joins]:
    """The same behind a link of our own: a host beside the server, then one of the viewer's kind
    behind the link, too, who makes key frames when asked. Raises `NetworkError` for all but root,
    and `TargetError`."""
    async with impaired(Conditions(delay_ms=one_way_ms), SEED, how="tun") as network:
        address = network.gateway_address
        settings = {"LIANMAI_LOG_LEVEL": "warning", "LIANMAI_PUBLIC_IP": address}
        with tempfile.TemporaryDirectory(prefix="first-frame-") as folder:
            async with (
                serving(settings, host="0.0.0.0", address=address) as program,
                chromium(_flags(program), inside=network.namespace, folder=Path(folder)) as browser,
            ):
                rtt = f"{2 * one_way_ms:g} ms RTT"
                room = unguessable()
                async with ffmpeg_host(program, room):
                    near = await _joins(browser, program, room, runs)
                room = unguessable()
                async with chromium_host(browser, program, room):
                    far = await _joins(browser, program, room, runs)
    return [
        Joins(f"{rtt}; FFmpeg host beside the server", near),
        Joins(f"{rtt}; Chromium host, {rtt} away itself", far),
    ]


@contextlib.asynccontextmanager
async def ffmpeg_host(program: Program, room: str) -> AsyncIterator[None]:
    """Live from the first picture on that anybody may see."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "loadtest.publisher", "--whip", f"{program.url}/whip/{room}",
        "--size", "640x360@30", "--bitrate-kbps", "800",
        env={**os.environ, TOKEN_VARIABLE: program.token(room, "host", "host")},
    )  # fmt: skip
    try:
        await _live(program, room)
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


@contextlib.asynccontextmanager
async def chromium_host(browser: Browser, program: Program, room: str) -> AsyncIterator[None]:
    """A page of the browser publishes."""
    async with await browser.new_page() as page:
        url = f"{_base(program, 'host')}/whip/{room}"
        await page.evaluate(PUBLISH, [url, program.token(room, "host", "host")])
        await _live(program, room)
        yield


async def _live(program: Program, room: str) -> None:
    token = program.token(room, "watch", "staff")
    async with (
        asyncio.timeout(LIVE_WITHIN_S),
        RoomClient(program.socket_url, token) as watcher,
    ):
        await wait_camera(watcher)
    await asyncio.sleep(SETTLE_S)


async def measure(program: Program, room: str, runs: int) -> list[Join]:
    """`room` must be live. Each run is a new connection and PeerConnection in a warm browser."""
    with tempfile.TemporaryDirectory(prefix="first-frame-") as folder:
        async with chromium(_flags(program), folder=Path(folder)) as browser:
            return await _joins(browser, program, room, runs)


def _flags(program: Program) -> list[str]:
    where = program.url.partition("://")[2]
    return [
        f"--host-resolver-rules=MAP *.{SITE} {where.rpartition(':')[0]}",
        # Pages of no origin of the server's: no connection is made for them, and no preflight.
        "--disable-web-security",
        # Nor may they ask a local address otherwise (Local Network Access).
        f"--ip-address-space-overrides={where}=public",
    ]


async def _joins(browser: Browser, program: Program, room: str, runs: int) -> list[Join]:
    token = program.token(room, "watcher", "viewer")
    async with await browser.new_page() as page:
        # The first one warms the browser up.
        joins = [
            await _join(page, f"{_base(program, f'join-{number}')}/whep/{room}", token)
            for number in range(runs + 1)
        ]
    return joins[1:]


async def _join(page: Page, url: str, token: str) -> Join:
    async with page.expect_request_finished(lambda asked: asked.url == url) as posted:
        found = await page.evaluate(PLAY, [url, token])
    # Of that request alone: its page is told nothing of connections to other origins.
    return Join(tcp=max(0.0, (await posted.value).timing["connectEnd"]), **found)


def _base(program: Program, name: str) -> str:
    """The server's URL by that name."""
    return f"http://{name}.{SITE}:{program.url.rpartition(':')[2]}"

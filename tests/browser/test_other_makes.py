"""Publishers and players of other makes through the public HTTP doors: FFmpeg's WHIP muxer,
aiortc by WHEP, Chromium with VP8 and with H.264."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription
from av.video.frame import VideoFrame
from playwright.async_api import Browser, expect

from loadtest.publisher import TOKEN_VARIABLE
from loadtest.room_client import RoomClient, wait_camera
from loadtest.targets.program import Program, serving
from tests.browser.conftest import SETTINGS
from tests.browser.people import PATIENCE_MS, enter

PATIENCE_S = PATIENCE_MS / 1000

CODEC = """
async () => {
  const stats = await window.lianmaiRoom.media.downlink.getStats();
  for (const report of stats.values())
    if (report.type === 'inbound-rtp' && report.kind === 'video' && report.framesDecoded > 0)
      return stats.get(report.codecId).mimeType;
  return null;
}
"""


@contextlib.asynccontextmanager
async def ffmpeg_host(program: Program, room: str) -> AsyncIterator[None]:
    """FFmpeg publishes H.264 and Opus over WHIP (it offers `setup:passive`) until the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "loadtest.publisher", "--whip", f"{program.url}/whip/{room}",
        "--size", "640x360@25", "--bitrate-kbps", "600",
        env={**os.environ, TOKEN_VARIABLE: program.token(room, "host", "host")},
    )  # fmt: skip
    try:
        yield
        assert process.returncode is None, "the publisher lived through the test"
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def wait_live(program: Program, room: str) -> None:
    """Until the host sits on the stage with a camera, as the room says."""
    token = program.token(room, "watch", "staff")
    async with asyncio.timeout(PATIENCE_S), RoomClient(program.socket_url, token) as watcher:
        await wait_camera(watcher)


async def test_chromium_plays_what_ffmpeg_publishes(
    browser: Browser, program: Program, room: str
) -> None:
    async with ffmpeg_host(program, room):
        await wait_live(program, room)
        viewer = await enter(browser, program, room, "viewer", "viewer")
        await viewer.wait_picture(0)
        await viewer.wait_heard(1)
        assert await viewer.page.evaluate(CODEC) == "video/H264"
        # A second one must not wait for FFmpeg's next key frame, which no PLI brings nearer.
        second = await enter(browser, program, room, "second", "viewer")
        await second.wait_picture(0)


async def test_aiortc_plays_by_whep(program: Program, room: str) -> None:
    token = program.token(room, "player", "viewer")
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/sdp"}
    player = RTCPeerConnection()
    player.addTransceiver("audio", direction="recvonly")
    player.addTransceiver("video", direction="recvonly")
    try:
        await player.setLocalDescription(await player.createOffer())
        async with ffmpeg_host(program, room), aiohttp.ClientSession(program.url) as http:
            await wait_live(program, room)
            async with http.post(
                f"/whep/{room}", data=player.localDescription.sdp, headers=headers
            ) as response:
                assert response.status == 201, await response.text()
                location = response.headers["Location"]
                answer = await response.text()
            await player.setRemoteDescription(RTCSessionDescription(answer, "answer"))
            async with asyncio.timeout(PATIENCE_S):
                frame = await player.getReceivers()[1].track.recv()
            assert isinstance(frame, VideoFrame)
            assert (frame.width, frame.height) == (640, 360)
            async with http.delete(location, headers=headers) as response:
                assert response.status == 200
            async with http.delete(location, headers=headers) as response:
                assert response.status == 404
    finally:
        await player.close()


@pytest.mark.parametrize(
    ("policy", "mime_type"),
    [
        ('["vp8"]', "video/VP8"),
        ('["h264"]', "video/H264"),
        ('["vp9"]', "video/VP9"),
        ('["av1"]', "video/AV1"),
    ],
)
async def test_chromium_publishes(browser: Browser, room: str, policy: str, mime_type: str) -> None:
    async with serving({**SETTINGS, "LIANMAI_CODECS_VIDEO": policy}) as program:
        host = await enter(browser, program, room, "host", "host")
        await host.by_id("go-live").click()
        await expect(host.by_id("end-show")).to_be_visible(timeout=PATIENCE_MS)
        viewer = await enter(browser, program, room, "viewer", "viewer")
        await viewer.wait_picture(0)
        await viewer.wait_heard(1)
        assert await viewer.page.evaluate(CODEC) == mime_type


async def test_nothing_live_is_409_and_comes_back_later(program: Program, room: str) -> None:
    player = RTCPeerConnection()
    player.addTransceiver("video", direction="recvonly")
    try:
        await player.setLocalDescription(await player.createOffer())
        async with (
            RoomClient(program.socket_url, program.token(room, "host", "host")) as host,
            aiohttp.ClientSession(program.url) as http,
        ):
            await host.request("start_show")
            await host.request("end_show")
            token = program.token(room, "early", "viewer")
            async with http.post(
                f"/whep/{room}",
                data=player.localDescription.sdp,
                headers={"Authorization": f"Bearer {token}", "Content-Type": "application/sdp"},
            ) as response:
                assert response.status == 409
                assert int(response.headers["Retry-After"]) > 0
                assert (await response.json(content_type=None))["code"] == "not_live"
    finally:
        await player.close()

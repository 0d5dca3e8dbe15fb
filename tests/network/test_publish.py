"""`lianmai publish FILE`: a user's file, live in a room of the real program."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription
from av.video.frame import VideoFrame

from loadtest.publisher import TOKEN_VARIABLE
from loadtest.room_client import RoomClient, wait_camera
from loadtest.rtc.light_peer import LightPeer
from loadtest.targets.program import free_port
from loadtest.trust import Trust
from server.tls import ca_certificate_path
from tests.support.cli import Command, lianmai
from tests.support.server import LiveServer, ServerProcess, live, server_process, serving
from tests.support.videos import make_video

pytestmark = pytest.mark.asyncio(loop_scope="module")
__all__ = ["live", "server_process"]

ONE_SENTENCE = 2
"""Lines of output at most: what it is about to do, and why it could not."""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_video(tmp_path_factory.mktemp("clips") / "clip.mp4", seconds=2.0)


def publish(
    live: LiveServer, clip: Path, room: str, *more: str, token: str | None = None
) -> contextlib.AbstractAsyncContextManager[Command]:
    """The command with a host token in its environment."""
    token = live.token("publisher", "host", room) if token is None else token
    arguments = ("--room", room, "--server", live.url, *more)
    return lianmai("publish", str(clip), *arguments, **{TOKEN_VARIABLE: token})


@contextlib.asynccontextmanager
async def staff(live: LiveServer, room: str) -> AsyncIterator[RoomClient]:
    token = live.token("sam", "staff", room)
    async with RoomClient(live.running.socket_url, token) as client:
        yield client


async def wait_live(watcher: RoomClient) -> None:
    async with asyncio.timeout(15):
        await wait_camera(watcher)


async def refusal_of(command: Command) -> str:
    """The one sentence of a command that failed as it should."""
    assert await command.wait() == 1
    assert "Traceback" not in command.output
    lines = command.output.splitlines()
    assert len(lines) <= ONE_SENTENCE
    assert lines[-1].startswith("publish: ")
    return lines[-1]


async def test_a_file_goes_live_and_loops(live: LiveServer, clip: Path) -> None:
    room = live.new_room()
    player = RTCPeerConnection()
    player.addTransceiver("audio", direction="recvonly")
    player.addTransceiver("video", direction="recvonly")
    try:
        async with staff(live, room) as watcher, publish(live, clip, room) as command:
            await wait_live(watcher)
            await player.setLocalDescription(await player.createOffer())
            headers = {"Content-Type": "application/sdp", **live.bearer("vera", "viewer", room)}
            sdp = player.localDescription.sdp
            async with live.http.post(f"/whep/{room}", data=sdp, headers=headers) as response:
                answer = await response.text()
                assert response.status == 201, answer
            await player.setRemoteDescription(RTCSessionDescription(answer, "answer"))
            # The clip has 50 pictures: more means that its second round arrives.
            async with asyncio.timeout(20):
                for _ in range(70):
                    frame = await player.getReceivers()[1].track.recv()
            assert isinstance(frame, VideoFrame)
            assert (frame.width, frame.height) == (160, 90)
            assert await command.interrupt() == 0
            lost = await watcher.wait_for("show_changed", within_s=5)
            assert lost["show"]["phase"] == "host_lost"
    finally:
        await player.close()


async def test_once_ends_with_the_file(live: LiveServer, clip: Path) -> None:
    room = live.new_room()
    async with staff(live, room) as watcher, publish(live, clip, room, "--once") as command:
        started = await watcher.wait_for("show_changed", within_s=15)
        assert started["show"]["phase"] == "live"
        lost = await watcher.wait_for("show_changed", within_s=15)
        assert lost["show"]["phase"] == "host_lost"
        assert await command.wait() == 0
    assert "published 2.0 s of" in command.output


async def test_a_file_without_sound(live: LiveServer, tmp_path: Path) -> None:
    room = live.new_room()
    silent = make_video(tmp_path / "silent.mp4", sound_s=0)
    viewer = live.token("vera", "viewer", room)
    async with staff(live, room) as watcher, publish(live, silent, room):
        await wait_live(watcher)
        peer = LightPeer("recvonly", audio=0, video=1)
        try:
            await peer.connect(live.http, f"/whep/{room}", viewer)
            async with asyncio.timeout(10):
                await peer.receiving.wait()
        finally:
            await peer.close(live.http, viewer)


async def test_a_publisher_that_was_replaced_ends(live: LiveServer, clip: Path) -> None:
    room = live.new_room()
    async with staff(live, room) as watcher, publish(live, clip, room) as first:
        await wait_live(watcher)
        async with publish(live, clip, room) as second:
            assert "another publisher took its place" in await refusal_of(first)
            assert await second.interrupt() == 0


async def test_a_server_that_goes_ends_it_with_a_sentence(
    server_process: ServerProcess, clip: Path
) -> None:
    await server_process.start()
    arguments = ("--room", "r1", "--server", server_process.url)
    token = {TOKEN_VARIABLE: server_process.token("publisher", "host", "r1")}
    url = f"{server_process.url.replace('http', 'ws')}/ws"
    async with lianmai("publish", str(clip), *arguments, **token) as command:
        async with RoomClient(url, server_process.token("sam", "staff", "r1")) as watcher:
            await wait_live(watcher)
            await server_process.kill()
        assert "check that the server still runs" in await refusal_of(command)


async def test_refusals_name_their_remedy(live: LiveServer, clip: Path, tmp_path: Path) -> None:
    room = live.new_room()
    other_room = live.token("publisher", "host", "another")
    viewer = live.token("vera", "viewer", room)
    for token, words in (
        ("nonsense", "--data-dir"),
        (other_room, "another room (403); make a token with `lianmai token --role host`"),
        (viewer, "grant publish (403); make a token with `lianmai token"),
    ):
        async with publish(live, clip, room, token=token) as command:
            assert words in await refusal_of(command)
    # Without any token it makes one with the keys of its own data folder: not those of the server.
    arguments = ("--room", room, "--server", live.url, "--data-dir", str(tmp_path))
    async with lianmai("publish", str(clip), *arguments) as command:
        assert "give the server's --data-dir" in await refusal_of(command)
    async with publish(live, clip, "no/room", token="any") as command:
        assert "is no room name" in await refusal_of(command)


async def test_somebody_else_is_live(live: LiveServer, clip: Path) -> None:
    room = live.new_room()
    host = LightPeer("sendonly")
    token = live.token("hana", "host", room)
    try:
        await host.connect(live.http, f"/whip/{room}", token)
        async with publish(live, clip, room) as command:
            assert "publishes into this seat (409); end that" in await refusal_of(command)
    finally:
        await host.close(live.http, token)


@pytest.mark.parametrize(
    ("server", "words"),
    [
        ("http://127.0.0.1:{free}", "nothing listens there; start it with `lianmai serve`"),
        ("https://127.0.0.1:{port}", "does not speak HTTPS; try --server http://"),
        ("http://127.0.0.1:{port}/shop", "without a path"),
        ("127.0.0.1:{port}", "write --server http://HOST:PORT"),
    ],
)
async def test_wrong_servers(live: LiveServer, clip: Path, server: str, words: str) -> None:
    url = server.format(port=live.running.port, free=free_port())
    async with publish(live, clip, "r1", "--server", url) as command:
        assert words in await refusal_of(command)


async def test_wrong_files_never_open_the_room(live: LiveServer, tmp_path: Path) -> None:
    room = live.new_room()
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(make_video(tmp_path / "whole.mp4").read_bytes()[:3000])
    text = tmp_path / "text.txt"
    text.write_text("hello\n" * 100)
    async with staff(live, room) as watcher:
        for path, words in (
            (tmp_path / "gone.mp4", "no such file"),
            (tmp_path, "is no video"),
            (broken, "is no video that FFmpeg can read"),
            (text, "give a video file"),
        ):
            async with publish(live, path, room) as command:
                assert words in await refusal_of(command)
        seen = [watcher.received.get_nowait() for _ in range(watcher.received.qsize())]
        assert {message["type"] for message in seen} <= {"counts"}


async def test_over_https_with_the_local_authority(clip: Path, tmp_path: Path) -> None:
    async with serving(tmp_path, tls="auto") as server:
        tls = Trust(authority=ca_certificate_path(server.running.settings)).context()
        token = server.token("sam", "staff", "r1")
        # Strangers' certificates are refused before the token goes out ...
        async with publish(server, clip, "r1", "--data-dir", "/nonexistent") as command:
            assert "its certificate is not trusted" in await refusal_of(command)
        # ... and this one is known from the server's own folder.
        async with (
            RoomClient(server.running.socket_url, token, tls=tls) as watcher,
            publish(server, clip, "r1", "--data-dir", str(tmp_path), "--once") as command,
        ):
            await wait_live(watcher)
            assert await command.wait() == 0

"""`lianmai demo`: what a person who tries the program sees, from the first line to Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from loadtest.room_client import RoomClient
from loadtest.rtc.light_peer import LightPeer
from loadtest.targets.program import free_port
from loadtest.trust import Trust
from tests.support.cli import Command, is_running, lianmai
from tests.support.crowd_room import sending

ROOM = "demo"
LAST_LINE = "Ctrl-C stops everything."
LINK = re.compile(r"^  (.+?)\n(https?://\S+)$", re.MULTILINE)


@contextlib.asynccontextmanager
async def demo(data_dir: Path, *more: str, **environment: str) -> AsyncIterator[Command]:
    ports = (
        *("--port", str(free_port())),
        *("--udp-port", str(free_port())),
    )
    arguments = ("--host", "127.0.0.1", "--data-dir", str(data_dir), *ports, *more)
    async with lianmai("demo", *arguments, **environment) as command:
        yield command


def links_of(command: Command) -> dict[str, str]:
    return {title.split()[0]: url for title, url in LINK.findall(command.output)}


def client_of(link: str, tls: Path | None = None) -> RoomClient:
    """Into the room with the token that a link carries."""
    page, _, token = link.partition("#token=")
    base = page.replace("http", "ws", 1).partition("/room/")[0].partition("/console/")[0]
    context = Trust(authority=tls).context() if tls else None
    return RoomClient(f"{base}/ws", token, tls=context)


async def test_a_live_room_with_people_until_ctrl_c(tmp_path: Path) -> None:
    async with demo(tmp_path) as command:
        await command.wait_output(LAST_LINE, within_s=30)
        links = links_of(command)
        assert list(links) == ["Viewer", "Second", "Host", "Staff", "All"]
        assert "demo is live" in command.output
        # Nothing but progress and the links: no log lines between them.
        for line in command.output.splitlines():
            assert "{" not in line
        async with aiohttp.ClientSession() as http:
            for link in links.values():
                async with http.get(link) as response:
                    assert response.status == 200
                    assert response.content_type == "text/html"
        async with client_of(links["Staff"]) as staff, client_of(links["Viewer"]) as viewer:
            assert staff.welcome["show"]["phase"] == "live"
            (host,) = staff.welcome["stage"]["seats"]
            assert set(host["sources"]) == {"camera", "microphone"}
            assert viewer.welcome["you"]["role"] == "viewer"
            await staff.wait_for("chat_said", within_s=20)
            if not staff.welcome["questions"]:
                await staff.wait_for("question_asked", within_s=30)
        children = command.descendants()
        assert len(children) >= 3  # store, projector, synthetic host with its encoder
        assert await command.interrupt() == 0
        assert not any(map(is_running, children))
    assert "Traceback" not in command.output, command.output


async def test_sigterm_before_there_is_a_picture(tmp_path: Path) -> None:
    async with demo(tmp_path) as command:
        await command.wait_output("waiting for the synthetic host")
        children = command.descendants()
        assert await command.interrupt(signal.SIGTERM) == 0
        assert not any(map(is_running, children))
    assert "Traceback" not in command.output, command.output


async def test_the_host_may_be_yourself(tmp_path: Path) -> None:
    async with demo(tmp_path, "--no-host", "--viewers", "1") as command:
        await command.wait_output(LAST_LINE)
        assert "ready, not live yet" in command.output
        async with client_of(links_of(command)["Host"]) as host:
            await host.request("start_show")
            await host.wait_for("chat_said", within_s=20)
        assert await command.interrupt() == 0


async def test_with_a_local_certificate_everybody_comes(tmp_path: Path) -> None:
    async with demo(tmp_path, "--tls", "auto") as command:
        await command.wait_output(LAST_LINE, within_s=30)
        assert "demo is live" in command.output
        link = links_of(command)["Staff"]
        assert link.startswith("https://")
        async with client_of(link, tmp_path / "tls" / "ca.pem") as staff:
            await staff.wait_for("chat_said", within_s=20)
        assert await command.interrupt() == 0


async def test_a_host_that_cannot_go_live_is_told(tmp_path: Path) -> None:
    only_vp8 = {"LIANMAI_CODECS_VIDEO": '["vp8"]'}
    async with demo(tmp_path, "--viewers", "0", **only_vp8) as command:
        await command.wait_output("the synthetic host stopped and tries again: ")
        assert "it sends H.264 and Opus" in command.output
        await command.wait_output(LAST_LINE, within_s=30)
        assert "ready, not live yet" in command.output
        assert await command.interrupt() == 0


async def test_who_takes_the_show_over_keeps_it(tmp_path: Path) -> None:
    """The person goes live in the console, as the same host; the synthetic one must not return."""
    async with demo(tmp_path, "--viewers", "0") as command:
        await command.wait_output(LAST_LINE, within_s=30)
        links = links_of(command)
        page, _, token = links["Host"].partition("#token=")
        async with aiohttp.ClientSession() as http:
            peer = LightPeer("sendonly")
            await peer.connect(http, page.replace("/console/", "/whip/"), token)
            try:
                async with sending(peer):
                    await command.wait_output("the synthetic host has left: you took its place")
                    assert not any("whip_encoder" in name for name in command.descendant_names())
            finally:
                await peer.close()
        assert await command.interrupt() == 0


async def test_a_second_one_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    async with demo(tmp_path, "--no-host") as first:
        await first.wait_output(LAST_LINE)
        async with demo(tmp_path, "--no-host") as second:
            assert await second.wait(within_s=30) == 1
            assert "Traceback" not in second.output
            assert str(tmp_path) in second.output
        async with client_of(links_of(first)["Host"]) as host:
            await host.request("start_show")
        assert await first.interrupt() == 0


@pytest.mark.parametrize(
    ("kind", "flag"), [(socket.SOCK_STREAM, "--port"), (socket.SOCK_DGRAM, "--udp-port")]
)
async def test_a_port_in_use_is_said_plainly(
    tmp_path: Path, kind: socket.SocketKind, flag: str
) -> None:
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        if kind is socket.SOCK_STREAM:
            taken.listen()
        port = str(taken.getsockname()[1])
        async with demo(tmp_path, flag, port) as command:
            assert await command.wait() == 1
            last = command.output.splitlines()[-1]
            assert last.startswith("lianmai demo: ")
            assert port in last
            assert flag in last
            assert "Traceback" not in command.output, command.output


@pytest.mark.parametrize("number", ["-1", "51", "many"])
async def test_viewers_out_of_range(tmp_path: Path, number: str) -> None:
    async with demo(tmp_path, f"--viewers={number}") as command:
        assert await command.wait() == 2
        assert "give 0 to 50" in command.output


async def test_after_a_crash_it_comes_back(tmp_path: Path) -> None:
    async with demo(tmp_path) as command:
        await command.wait_output(LAST_LINE, within_s=30)
        children = command.descendants()
        await command.interrupt(signal.SIGKILL)
        async with asyncio.timeout(10):
            while any(map(is_running, children)):  # noqa: ASYNC110 - only their parent is told
                await asyncio.sleep(0.05)
    async with demo(tmp_path) as again:
        await again.wait_output(LAST_LINE, within_s=30)
        assert "demo is live" in again.output
        assert await again.interrupt() == 0

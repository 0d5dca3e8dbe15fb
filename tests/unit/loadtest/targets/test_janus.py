"""A private Janus (as root): one publisher, some viewers, nothing left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

import aiohttp
import pytest

from loadtest.network.names import owner_of
from loadtest.network.namespace import remove_stale
from loadtest.rtc.light_peer import LightPeer
from loadtest.targets.janus import JanusTarget
from loadtest.targets.janus_api import JanusApi
from loadtest.targets.target import Member, Refused, TargetError
from tests.unit.loadtest.targets.crowds import publishing, receives

ROOT = Path(__file__).parents[4]
HOST = Member("r1", "host", "host")


def viewer(number: int) -> Member:
    return Member("r1", f"viewer-{number}", "viewer")


def command_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")


def is_running(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def namespaces_of(pid: int) -> set[str]:
    """Those that this process has made."""
    folder = Path("/run/netns")
    names = {each.name for each in folder.iterdir()} if folder.exists() else set()
    return {name for name in names if owner_of(name) == pid}


@pytest.mark.parametrize("event_loops", [None, 2])
async def test_viewers_receive_what_is_published(event_loops: int | None) -> None:
    async with contextlib.AsyncExitStack() as stack:
        janus = await stack.enter_async_context(JanusTarget(event_loops=event_loops))
        (pid,) = janus.server_pids()
        assert command_of(pid).startswith("janus --configs-folder"), "no wrapper, no ip"
        assert len(namespaces_of(os.getpid())) == 1
        source = LightPeer("sendonly")
        stack.push_async_callback((await janus.publish(source, HOST)).close)
        publisher = await stack.enter_async_context(publishing(source))
        crowd = [LightPeer("recvonly") for _ in range(3)]
        for number, peer in enumerate(crowd):
            stack.push_async_callback((await janus.watch(peer, viewer(number))).close)
        await asyncio.gather(*(receives(peer, 100) for peer in crowd))
        for peer in crowd:
            kinds = sorted(stream.kind for stream in peer.streams.values() if stream.packets)
            assert kinds == ["audio", "video"]
            assert peer.counts.holes == 0
            assert peer.counts.packets <= publisher.stats.packets
        assert source.counts.keyframe_requests > 0, "Janus asks for a key frame for newcomers"
    assert not is_running(pid)
    assert not namespaces_of(os.getpid())


async def test_settings_are_told() -> None:
    unset, two = JanusTarget(), JanusTarget(event_loops=2)
    assert (unset.name, two.name) == ("janus", "janus:event_loops=2")
    async with two:
        info = two.info()
        assert "event_loops 2" in info.settings
        async with (
            aiohttp.ClientSession() as http,
            JanusApi(http, info.url) as api,
        ):
            said = await api.info()
    assert said["version_string"] == info.version
    assert said["static-event-loops"] == 2
    assert said["ice-lite"] is False


async def test_nobody_watches_before_somebody_publishes() -> None:
    async with JanusTarget() as janus:
        early = LightPeer("recvonly")
        with pytest.raises(Refused) as refused:
            await janus.watch(early, viewer(1))
        assert (refused.value.code, refused.value.retry_after_s) == ("not_live", 0.5)
        await early.close()
        source = LightPeer("sendonly")
        session = await janus.publish(source, HOST)
        await session.close()
        await session.close()
        late = LightPeer("recvonly")
        with pytest.raises(Refused, match="nobody publishes"):
            await janus.watch(late, viewer(2))
        await late.close()


async def test_a_viewer_turns_down_what_it_does_not_watch() -> None:
    async with contextlib.AsyncExitStack() as stack:
        janus = await stack.enter_async_context(JanusTarget())
        source, listener = LightPeer("sendonly"), LightPeer("recvonly", video=0)
        stack.push_async_callback((await janus.publish(source, HOST)).close)
        await stack.enter_async_context(publishing(source))
        stack.push_async_callback((await janus.watch(listener, viewer(1))).close)
        await receives(listener, 50)
        assert {stream.kind for stream in listener.streams.values()} == {"audio"}


async def test_a_janus_that_dies_fails_its_people_and_nothing_else() -> None:
    async with JanusTarget() as janus:
        source = LightPeer("sendonly")
        session = await janus.publish(source, HOST)
        os.kill(janus.server_pids()[0], signal.SIGKILL)
        viewing = LightPeer("recvonly")
        with pytest.raises((Refused, TimeoutError)):
            await janus.watch(viewing, viewer(1))
        await viewing.close()
        await session.close()


async def test_without_janus_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(TargetError, match=r"^janus is not installed: apt-get install janus$"):
        async with JanusTarget():
            pass


async def test_without_root_there_is_no_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(TargetError, match=r"^janus gets a network namespace of its own, .* sudo$"):
        async with JanusTarget():
            pass


async def test_a_killed_tester_leaves_no_janus() -> None:
    tester = """
import asyncio
from loadtest.targets.janus import JanusTarget

async def main():
    async with JanusTarget() as janus:
        print(*janus.server_pids(), flush=True)
        await asyncio.sleep(60)  # until it is killed

asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", tester, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    pid = int(await process.stdout.readline())
    watched = os.pidfd_open(pid)
    gone = asyncio.Event()
    asyncio.get_running_loop().add_reader(watched, gone.set)
    try:
        process.kill()
        await process.wait()
        async with asyncio.timeout(10):
            await gone.wait()
    finally:
        asyncio.get_running_loop().remove_reader(watched)
        os.close(watched)
    remove_stale()
    assert not namespaces_of(process.pid), "the next run tidies up"

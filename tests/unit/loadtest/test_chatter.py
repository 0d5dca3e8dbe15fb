"""The simulated viewers in a live room of the real program."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from loadtest.chatter import NAMES, Bot, chatter, make_bots
from loadtest.room_client import RoomClient
from tests.support.server import ServerProcess, server_process, serving

__all__ = ["server_process"]
ROOM = "r1"
FAST = 20.0
"""Times as fast as the sample: its first questions come within half a second."""


def test_bots_have_ids_and_names_of_their_own() -> None:
    bots = make_bots(50, lambda user, name: f"token of {user} {name}")
    assert len({bot.user for bot in bots}) == len({bot.name for bot in bots}) == 50
    assert bots[0] == Bot("bot-00", NAMES[0], f"token of bot-00 {NAMES[0]}")
    assert make_bots(0, lambda user, name: "") == []


@contextlib.asynccontextmanager
async def talking(url: str, bots: list[Bot]) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(chatter(url, bots, rng=random.Random(1), speed=FAST))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_they_chat_like_and_ask(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        url = server.running.socket_url
        bots = make_bots(4, lambda user, name: server.token(user, "viewer", ROOM, name=name))
        async with RoomClient(url, server.token("hana", "host", ROOM)) as host:
            await host.request("start_show")
            async with talking(url, bots):
                asked = await host.wait_for("question_asked")
                said = await host.wait_for("chat_said")
                async with asyncio.timeout(10):
                    while (await host.wait_for("counts"))["likes"] == 0:
                        pass
    assert asked["question"]["name"] in NAMES
    assert said["chat"]["name"] in NAMES


async def test_a_refusal_costs_the_line_and_not_the_bot(tmp_path: Path) -> None:
    stingy = {"chat_per_s": 0.001, "chat_burst": 1}
    async with serving(tmp_path, room=stingy) as server:
        url = server.running.socket_url
        bots = make_bots(1, lambda user, name: server.token(user, "viewer", ROOM, name=name))
        async with RoomClient(url, server.token("hana", "host", ROOM)) as host:
            await host.request("start_show")
            async with talking(url, bots) as task:
                await host.wait_for("chat_said")
                # Everything else it wants to chat is refused, and still it asks.
                await host.wait_for("question_asked")
                assert not task.done()
                with pytest.raises(TimeoutError):
                    await host.wait_for("chat_said", within_s=0.5)


async def test_they_come_back_after_the_server(server_process: ServerProcess) -> None:
    await server_process.start()
    url = f"{server_process.url.replace('http', 'ws')}/ws"
    host = server_process.token("hana", "host", ROOM)
    bots = make_bots(2, lambda user, name: server_process.token(user, "viewer", ROOM, name=name))
    async with RoomClient(url, host) as before:
        await before.request("start_show")
        async with talking(url, bots) as task:
            await before.wait_for("chat_said")
            await server_process.kill()
            await server_process.start()
            # A client of its own: the one from before would get what it missed.
            async with RoomClient(url, host) as after:
                await after.wait_for("chat_said", within_s=20)
            assert not task.done()
    await server_process.stop()

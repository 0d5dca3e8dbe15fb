"""A viewer that stops reading loses chat, is told how much, and delays nobody."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest_asyncio

from loadtest.flood import Flood, sockets_for, talkers
from tests.support.server import ServerProcess

ROOM = "r1"
FLOOD_PER_S = 200
FLOOD_S = 5.0
LONG = "很好用，已经回购三次了！" * 40
"""480 characters, 1.4 kB: fills the buffers of a reader that stopped within a second or two."""

Socket = aiohttp.ClientWebSocketResponse[Any]


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[ServerProcess]:
    process = ServerProcess(
        tmp_path, LIANMAI_ROOM_CHAT_PER_S="1000", LIANMAI_ROOM_CHAT_BURST="1000"
    )
    await process.start()
    yield process
    await process.stop()


async def join(server: ServerProcess, http: aiohttp.ClientSession, user: str) -> Socket:
    ws = await http.ws_connect(f"{server.url}/ws", protocols=("lianmai.json",), max_msg_size=0)
    token = server.token(user, "host" if user == "host" else "viewer", ROOM)
    await ws.send_str(json.dumps({"type": "join", "token": token}))
    assert "welcome" in (await ws.receive(timeout=5)).data
    return ws


async def messages(ws: Socket) -> list[dict[str, Any]]:
    received = await ws.receive(timeout=10)
    assert received.type is aiohttp.WSMsgType.TEXT, received
    batch: list[dict[str, Any]] = json.loads(received.data)["messages"]
    return batch


async def count_chat(ws: Socket, seen: list[int]) -> None:
    """Add up the chat that arrives, until cancelled."""
    while True:
        seen[0] += sum(message["type"] == "chat_said" for message in await messages(ws))


def was_too_slow(message: dict[str, Any]) -> bool:
    """Not what a busy server withheld from everybody (`flood`)."""
    return bool(message["type"] == "shed" and message["reason"] == "slow_reader")


async def test_a_slow_reader_loses_chat_and_nothing_else(server: ServerProcess) -> None:
    async with aiohttp.ClientSession() as http:
        host = await join(server, http, "host")
        await host.send_str('{"type":"start_show","id":"s"}')
        while not any(message["type"] == "ack" for message in await messages(host)):
            pass
        slow = await join(server, http, "slow")
        quick = await join(server, http, "quick")
        seen = [0]
        counting = asyncio.create_task(count_chat(quick, seen))
        tokens = [server.token(f"t{n}", "viewer", ROOM) for n in range(sockets_for(FLOOD_PER_S))]
        async with talkers(f"{server.url.replace('http', 'ws')}/ws", tokens) as clients:
            await Flood(clients, LONG).run(FLOOD_PER_S, FLOOD_S)
            # What must not be lost comes after all that the slow reader has not read yet.
            await host.send_str('{"type":"end_show","id":"e"}')
        counting.cancel()
        await asyncio.gather(counting, return_exceptions=True)

        got: list[dict[str, Any]] = []
        while not any(map(was_too_slow, got)):
            got += await messages(slow)
            if got[-1]["type"] == "counts" or len(got) > 5 * seen[0]:
                await host.send_str(json.dumps({"type": "chat", "id": str(len(got)), "text": "?"}))
        shed = next(filter(was_too_slow, got))
        assert shed["lane"] == "chat"
        chat = sum(message["type"] == "chat_said" for message in got)
        assert chat < seen[0]
        assert shed["count"] + chat >= seen[0]
        phases = [m["show"]["phase"] for m in got if m["type"] == "show_changed"]
        assert phases == ["ended"]

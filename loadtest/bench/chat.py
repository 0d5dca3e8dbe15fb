"""What a chat message costs: server CPU per delivered message, the whole path included
(socket in, lanes, room log, fan-out, socket out)."""

from __future__ import annotations

import asyncio
from typing import Final, NamedTuple

import aiohttp

from loadtest.bench.program import Program, cpu_of
from loadtest.room_client import RoomClient

MESSAGE: Final = "这个颜色好好看，主播可以再转一圈吗？" * 3
SETTLE_S: Final = 1.0
JOIN_AT_ONCE: Final = 50


class ChatCost(NamedTuple):
    sockets: int
    rate_per_s: float
    delivered: int
    expected: int
    front_us_per_message: float
    store_us_per_message: float


class CountingReader:
    """A joined socket that only counts messages: their marker is cheap to find in the bytes."""

    def __init__(self) -> None:
        self.said = 0

    async def run(self, http: aiohttp.ClientSession, url: str, token: str) -> None:
        async with http.ws_connect(url, protocols=("lianmai.json",), max_msg_size=0) as ws:
            await ws.send_json({"type": "join", "token": token})
            async for frame in ws:
                self.said += frame.data.count('"chat_said"')


async def measure(
    program: Program, room: str, sockets: int, rate_per_s: float, seconds: float
) -> ChatCost:
    """The senders are two staff members; the `sockets` readers are viewers of one identity."""
    viewer = program.token(room, "reader", "viewer")
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as http:
        readers = [CountingReader() for _ in range(sockets)]
        tasks: list[asyncio.Task[None]] = []
        for start in range(0, sockets, JOIN_AT_ONCE):
            tasks.extend(
                asyncio.create_task(reader.run(http, program.socket_url, viewer))
                for reader in readers[start : start + JOIN_AT_ONCE]
            )
            await asyncio.sleep(0.1)
        await asyncio.sleep(SETTLE_S)
        try:
            async with RoomClient(
                program.socket_url, program.token(room, "talker", "staff"), queue=10
            ) as talker:
                before, said = cpu_of(program.pid), sum(reader.said for reader in readers)
                sent = await _talk(talker, rate_per_s, seconds)
                await asyncio.sleep(SETTLE_S)
                used = cpu_of(program.pid).since(before)
                delivered = sum(reader.said for reader in readers) - said
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    per_message = 1e6 / max(1, delivered)
    return ChatCost(
        sockets,
        rate_per_s,
        delivered,
        sent * sockets,
        used.front_s * per_message,
        used.children_s * per_message,
    )


async def _talk(talker: RoomClient, rate_per_s: float, seconds: float) -> int:
    loop = asyncio.get_running_loop()
    start, sent = loop.time(), 0
    while (now := loop.time() - start) < seconds:
        while sent <= now * rate_per_s:
            await talker.send("chat", id=f"m{sent}", text=f"{sent} {MESSAGE}")
            sent += 1
        await asyncio.sleep(0.01)
    return sent

"""What a chat message costs: server CPU per delivered message, the whole path included
(socket in, lanes, room log, fan-out, socket out)."""

from __future__ import annotations

import asyncio
import time
from typing import Final, NamedTuple

import aiohttp

from loadtest.bench.program import Program, cpu_of, resident_bytes
from loadtest.flood import Flood, sockets_for, talkers

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
    kib_per_socket: float
    tester_cpu: float


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
    """The senders are staff; the `sockets` readers are viewers of one identity."""
    tokens = [program.token(room, f"talker-{n}", "staff") for n in range(sockets_for(rate_per_s))]
    viewer = program.token(room, "reader", "viewer")
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as http:
        memory = resident_bytes(program.pid)
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
            async with talkers(program.socket_url, tokens) as clients:
                flood = Flood(clients, MESSAGE)
                memory = resident_bytes(program.pid) - memory
                own = time.process_time()
                before, said = cpu_of(program.pid), sum(reader.said for reader in readers)
                await flood.run(rate_per_s, seconds)
                tester_cpu = (time.process_time() - own) / seconds
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
        flood.sent * sockets,
        used.front_s * per_message,
        used.children_s * per_message,
        memory / 1024 / sockets,
        tester_cpu,
    )

"""Clients that mean harm, or are broken: each ends its own connection and nobody else's.

Random bytes in well-formed frames, the wrong encoding and repeated ids: `test_socket.py`,
`tests/fuzz/test_protocol_fuzz.py`, `tests/unit/signaling/test_service.py`; readers that stop:
`tests/network/test_slow_reader.py`.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from server import socket as front
from server.app_keys import METRICS, SETTINGS
from signaling.close_codes import CloseCode
from tests.support.server import LiveServer, live

__all__ = ["live"]
pytestmark = pytest.mark.asyncio(loop_scope="module")

LIMIT_S = 10.0
Raw = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def frame(opcode: int, payload: bytes) -> bytes:
    """A client's frame (RFC 6455 §5.2), masked with zeros."""
    assert len(payload) < 65_536
    return bytes((0x80 | opcode, 0x80 | 126)) + len(payload).to_bytes(2, "big") + bytes(4) + payload


@asynccontextmanager
async def joined_raw(live: LiveServer, room: str, user: str) -> AsyncIterator[Raw]:
    """A joined socket without a WebSocket library: it answers nothing by itself."""
    url = urlsplit(live.url)
    assert url.hostname is not None
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    key = base64.b64encode(bytes(16)).decode()
    writer.write(
        f"GET /ws HTTP/1.1\r\nHost: {url.netloc}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Protocol: lianmai.json\r\n\r\n".encode()
    )
    await reader.readuntil(b"\r\n\r\n")
    join = {"type": "join", "token": live.token(user, "viewer", room)}
    writer.write(frame(1, json.dumps(join).encode()))
    await reader.readuntil(b'"type":"welcome"')
    try:
        yield reader, writer
    finally:
        writer.close()


@asynccontextmanager
async def talking(live: LiveServer, room: str) -> AsyncIterator[Any]:
    """A host on air, to see that others notice nothing."""
    async with live.http.ws_connect("/ws", protocols=("lianmai.json",)) as host:
        await host.send_json({"type": "join", "token": live.token("anna", "host", room)})
        await host.send_json({"type": "start_show", "id": "0"})
        await acknowledged(host, "0")
        yield host


async def acknowledged(ws: aiohttp.ClientWebSocketResponse[Any], key: str) -> None:
    async with asyncio.timeout(LIMIT_S):
        while True:
            for message in (await ws.receive_json())["messages"]:
                if message["type"] == "ack" and message["id"] == key:
                    return


async def all_of(reader: asyncio.StreamReader) -> bytes:
    """What the server still says, until it hangs up."""
    async with asyncio.timeout(LIMIT_S):
        try:
            return await reader.read(-1)
        except ConnectionResetError:
            return b""


@pytest.mark.parametrize("seed", range(3))
async def test_random_bytes_in_place_of_frames(live: LiveServer, seed: int) -> None:
    room = live.new_room()
    async with talking(live, room) as host, joined_raw(live, room, "mallory") as (reader, writer):
        # A reserved bit that nothing negotiated, then noise.
        writer.write(b"\xf1" + random.Random(seed).randbytes(20_000))
        await all_of(reader)
        await host.send_json({"type": "ask", "id": "q", "text": "适合油皮吗？"})
        await acknowledged(host, "q")


async def test_a_message_of_a_megabyte(live: LiveServer) -> None:
    room = live.new_room()
    async with talking(live, room) as host, joined_raw(live, room, "mallory") as (reader, writer):
        size = 1 << 20
        writer.write(b"\x81\xff" + size.to_bytes(8, "big") + bytes(4) + b" " * size)
        await all_of(reader)
        await host.send_json({"type": "ask", "id": "q", "text": "适合油皮吗？"})
        await acknowledged(host, "q")


async def test_ten_thousand_messages_at_once(live: LiveServer) -> None:
    room = live.new_room()
    async with talking(live, room) as host, joined_raw(live, room, "mallory") as (reader, writer):
        chat = [{"type": "chat", "id": str(n), "text": "666"} for n in range(10_000)]
        writer.write(b"".join(frame(1, json.dumps(one).encode()) for one in chat))
        await host.send_json({"type": "ask", "id": "q", "text": "适合油皮吗？"})
        await acknowledged(host, "q")
        said = await all_of(reader)
        assert said.count(b'"type":"chat_said"') <= live.running.app[SETTINGS].room.chat_burst
        assert said.count(b'"rate_limited"') >= front.MAX_REFUSED_BY_RATE
        assert CloseCode.BAD_MESSAGE.to_bytes(2, "big") in said


async def test_who_answers_no_ping_is_taken_for_gone(
    live: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half-open: the peer lost its network and never said so."""
    monkeypatch.setattr(front, "HEARTBEAT_S", 0.2)
    closes = live.running.app[METRICS].counters.socket_closes
    before = closes[CloseCode.PING_TIMEOUT.reason]
    async with joined_raw(live, live.new_room(), "mallory") as (reader, _):
        await all_of(reader)
    for _ in range(1_000):
        # The connection ends a few turns of the loop before its conversation does.
        await asyncio.sleep(0)
    assert closes[CloseCode.PING_TIMEOUT.reason] == before + 1

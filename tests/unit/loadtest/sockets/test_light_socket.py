"""The shell over real TCP: against aiohttp's server, and against servers that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
import socket
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import WSMsgType, web

from loadtest.sockets.frames import ABNORMAL, NO_STATUS
from loadtest.sockets.light_socket import Closed, LightSocket
from loadtest.sockets.upgrade import UpgradeError

Speak = Callable[[web.WebSocketResponse], Awaitable[None]]
Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def aiohttp_server(speak: Speak) -> AsyncIterator[str]:
    """A WebSocket server of another make; yields its URL."""

    async def handle(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(protocols=("one", "two"), autoping=False)
        await ws.prepare(request)
        await speak(ws)
        return ws

    app = web.Application()
    app.router.add_get("/ws", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"ws://127.0.0.1:{runner.addresses[0][1]}/ws"
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def raw_server(answer: Answer) -> AsyncIterator[str]:
    """Whatever `answer` does with a connection, which is closed behind it."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await answer(reader, writer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws"


async def upgraded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read the request and switch protocols."""
    head = await reader.readuntil(b"\r\n\r\n")
    key = re.search(rb"Sec-WebSocket-Key: (\S+)", head)
    assert key is not None
    digest = hashlib.sha1(key[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    writer.write(
        b"HTTP/1.1 101 Switching\r\nUpgrade: WebSocket\r\nConnection: upgrade\r\n"
        b"Sec-WebSocket-Accept: " + b64encode(digest) + b"\r\n\r\n"
    )


async def test_messages_of_all_sizes_go_both_ways() -> None:
    sizes = (0, 1, 125, 126, 65_535, 65_536, 1_000_000)

    async def echo(ws: web.WebSocketResponse) -> None:
        async for message in ws:
            if message.type is WSMsgType.TEXT:
                await ws.send_str(message.data)
            else:
                await ws.send_bytes(message.data)

    got: asyncio.Queue[bytes] = asyncio.Queue()
    ends: list[Closed] = []
    async with aiohttp_server(echo) as url:
        light = await LightSocket.connect(
            url, on_message=got.put_nowait, on_close=ends.append, subprotocols=("two", "three")
        )
        assert light.subprotocol == "two"
        assert light.is_open
        for size in sizes:
            light.send_binary(bytes(size))
            assert await asyncio.wait_for(got.get(), 10) == bytes(size)
        light.send_text("你好".encode())
        assert await asyncio.wait_for(got.get(), 10) == "你好".encode()
        await light.close()
        await light.close()
    assert ends == [Closed(1000)]
    light.send_text(b"dropped: it is closed")


async def test_pings_are_answered_with_what_they_hold() -> None:
    pongs: list[bytes] = []

    async def ping(ws: web.WebSocketResponse) -> None:
        await ws.ping(b"are you there?")
        message = await ws.receive()
        assert message.type is WSMsgType.PONG
        pongs.append(message.data)

    async with aiohttp_server(ping) as url:
        light = await LightSocket.connect(url, on_message=lambda _: None)
        assert await asyncio.wait_for(light.closed, 10) == Closed(1000)
    assert pongs == [b"are you there?"]


async def test_a_close_is_answered_and_told_with_its_code() -> None:
    answers: list[int | None] = []
    ends: list[Closed] = []

    async def leave(ws: web.WebSocketResponse) -> None:
        await ws.close(code=4001, message=b"slow_reader")
        answers.append(ws.close_code)

    async with aiohttp_server(leave) as url:
        light = await LightSocket.connect(url, on_message=lambda _: None, on_close=ends.append)
        assert await asyncio.wait_for(light.closed, 10) == Closed(4001, "slow_reader")
    assert ends == [Closed(4001, "slow_reader")]
    assert answers == [4001]


async def test_the_socket_may_be_made_elsewhere_and_dialled_to_another_host() -> None:
    seen: list[str] = []

    async def note(ws: web.WebSocketResponse) -> None:
        seen.append(ws._req.remote or "" if ws._req is not None else "")

    def from_another_address() -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        made.bind(("127.0.0.9", 0))
        return made

    async with aiohttp_server(note) as url:
        elsewhere = url.replace("127.0.0.1", "nowhere.invalid")
        light = await LightSocket.connect(
            elsewhere, on_message=lambda _: None, tcp=from_another_address, host="127.0.0.1"
        )
        await light.closed
        light = await LightSocket.connect(
            url, on_message=lambda _: None, local_addr=("127.0.0.8", 0)
        )
        await light.closed
    assert seen == ["127.0.0.9", "127.0.0.8"]


async def test_frames_right_behind_the_handshake_are_read() -> None:
    got: list[bytes] = []

    async def eager(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgraded(reader, writer)
        writer.write(b"\x81\x02hi\x81\x03you\x88\x00")
        await reader.read()

    async with raw_server(eager) as url:
        light = await LightSocket.connect(url, on_message=got.append)
        assert await asyncio.wait_for(light.closed, 10) == Closed(NO_STATUS)
    assert got == [b"hi", b"you"]


@pytest.mark.parametrize("frames", [b"\xff\xff", b"\x81\x85masked!!!", b"\x82\x7f" + b"\xff" * 8])
async def test_nonsense_ends_the_socket(frames: bytes) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgraded(reader, writer)
        writer.write(frames)
        await reader.read()

    async with raw_server(babble) as url:
        light = await LightSocket.connect(url, on_message=lambda _: None)
        closed = await asyncio.wait_for(light.closed, 10)
    assert closed.code == ABNORMAL
    assert "nonsense" in closed.reason


async def test_what_its_user_calls_nonsense_ends_the_socket() -> None:
    def refuse(_: bytes) -> None:
        raise ValueError("no batch")

    async def talk(ws: web.WebSocketResponse) -> None:
        await ws.send_str("hello")
        assert (await ws.receive()).data == 1007

    async with aiohttp_server(talk) as url:
        light = await LightSocket.connect(url, on_message=refuse)
        assert await asyncio.wait_for(light.closed, 10) == Closed(ABNORMAL, "nonsense: no batch")


async def test_a_cut_connection_is_abnormal() -> None:
    async def vanish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgraded(reader, writer)
        writer.write(b"\x81\x7e\x10\x00half a message")

    async with raw_server(vanish) as url:
        light = await LightSocket.connect(url, on_message=lambda _: None)
        assert (await asyncio.wait_for(light.closed, 10)).code == ABNORMAL


@pytest.mark.parametrize(
    ("answer", "says", "status"),
    [
        (b"HTTP/1.1 503 No\r\nContent-Length: 4\r\n\r\nfull", "answered 503: full", 503),
        (b"HTTP/1.1 500 No\r\n\r\nit broke", "answered 500: it broke", 500),
        (b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", "Accept", 101),
        (b"220 mail.example ESMTP\r\n\r\n", "not HTTP", 0),
        (b"", "ended before", 0),
    ],
)
async def test_who_is_no_websocket_server(answer: bytes, says: str, status: int) -> None:
    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()

    async with raw_server(reply) as url:
        with pytest.raises(UpgradeError, match=says) as refused:
            await LightSocket.connect(url, on_message=lambda _: None)
    assert refused.value.status == status


async def test_who_never_answers_is_given_up() -> None:
    gone = asyncio.Event()

    async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        gone.set()

    async with raw_server(silence) as url:
        with pytest.raises(TimeoutError, match=r"no WebSocket within 0\.05 s"):
            await LightSocket.connect(url, on_message=lambda _: None, within_s=0.05)
        await asyncio.wait_for(gone.wait(), 10)


async def test_nobody_there() -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{unheard.getsockname()[1]}/"
        with pytest.raises(OSError):
            await LightSocket.connect(url, on_message=lambda _: None)
        with pytest.raises(OSError):
            await LightSocket.connect(
                url,
                on_message=lambda _: None,
                tcp=lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
            )

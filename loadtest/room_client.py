"""A light client of the room socket, written against docs/protocol.md alone.

Speaks MessagePack (with the `msgpack` package) or JSON; knows nothing of the server's schema, so
that two implementations of the protocol check each other.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
import socket
import ssl
from types import TracebackType
from typing import Any, Literal, Self

import aiohttp
import msgpack

Message = dict[str, Any]
Encoding = Literal["json", "msgpack"]


class RoomError(Exception):
    """The server answered `error`; or the socket is closed (then `code` is `closed`)."""

    def __init__(self, code: str, message: str, retry_after_ms: int | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.retry_after_ms = retry_after_ms


class RoomClient:
    """One joined socket. Use as an async context manager around `connect`.

    `received` holds what no request was waiting for, oldest first, at most `queue` messages: a
    reader that does not keep up loses the oldest and `lost` counts them.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        encoding: Encoding = "msgpack",
        queue: int = 10_000,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`tls` says whom to trust behind a wss:// address; None: what this machine trusts."""
        self._url = url
        self._token = token
        self._encoding: Encoding = encoding
        self._queue_size = queue
        self._tls = tls
        self._http: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._reader: asyncio.Task[None] | None = None
        self._replies: dict[str, asyncio.Future[Message]] = {}
        self._ids = itertools.count(1)
        self._id_prefix = secrets.token_hex(4)
        self.received: asyncio.Queue[Message] = asyncio.Queue()
        self.lost = 0
        self.positions: dict[str, str] = {}
        self.welcome: Message = {}
        self.close_code: int | None = None

    async def __aenter__(self) -> Self:
        try:
            await self.connect()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self.close()

    async def connect(self, *, join_timeout_s: float = 10) -> Message:
        """Open the socket and join; continues from the last positions when there are any.
        Returns `welcome`; raises `RoomError` when refused. May be repeated after a loss."""
        if self._http is None:
            self._http = aiohttp.ClientSession()
        if self._socket is not None:
            await self._socket.close()
        self._socket = await self._http.ws_connect(
            self._url,
            protocols=(f"lianmai.{self._encoding}",),
            max_msg_size=0,
            autoping=True,
            ssl=self._tls or True,
        )
        self.close_code = None
        loop = asyncio.get_running_loop()
        welcome = self._replies["welcome"] = loop.create_future()
        self._reader = asyncio.create_task(self._read(self._socket), name="room-client-reader")
        join: Message = {"token": self._token}
        if self.positions:
            join |= {"resume": dict(self.positions), "conn": self.welcome.get("conn")}
        async with asyncio.timeout(join_timeout_s):
            await self.send("join", **join)
            self.welcome = await welcome
        return self.welcome

    async def send(self, kind: str, **fields: object) -> None:
        """Send one message and do not wait for a reply."""
        assert self._socket is not None, "connect() comes first"
        message = {"type": kind, **fields}
        if self._encoding == "json":
            await self._socket.send_str(json.dumps(message, ensure_ascii=False))
        else:
            await self._socket.send_bytes(msgpack.packb(message))

    async def request(self, kind: str, *, reply_timeout_s: float = 10, **fields: object) -> Message:
        """Send a command and wait for its reply; raises `RoomError` on `error`."""
        key = str(fields.pop("id", None) or f"{self._id_prefix}-{next(self._ids)}")
        reply: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._replies[key] = reply
        try:
            async with asyncio.timeout(reply_timeout_s):
                await self.send(kind, id=key, **fields)
                return await reply
        finally:
            self._replies.pop(key, None)

    async def wait_for(self, kind: str, *, within_s: float = 10, **fields: object) -> Message:
        """The next received message of that type whose top-level fields match; others before it
        are dropped. Raises `RoomError` when the socket closes first, else `TimeoutError`."""
        async with asyncio.timeout(within_s):
            while True:
                message = await self.next()
                if message["type"] == kind and all(
                    message.get(name) == value for name, value in fields.items()
                ):
                    return message

    async def next(self) -> Message:
        """The oldest received message; raises `RoomError` when none is left of a closed socket."""
        if not self.received.empty():
            return self.received.get_nowait()
        if self._reader is None:
            raise _closed(self.close_code)
        getting = asyncio.create_task(self.received.get(), name="room-client-next")
        try:
            await asyncio.wait((getting, self._reader), return_when=asyncio.FIRST_COMPLETED)
            if getting.done():
                return getting.result()
            raise _closed(self.close_code)
        finally:
            getting.cancel()

    async def drop(self) -> None:
        """Lose the socket without a goodbye, as a phone in a tunnel does."""
        assert self._socket is not None, "connect() comes first"
        raw = self._socket.get_extra_info("socket")
        assert raw is not None, "a connected socket has a descriptor"
        raw.shutdown(socket.SHUT_RDWR)
        await self._stop_reader()

    async def close(self) -> None:
        if self._socket is not None:
            await self._socket.close()
        await self._stop_reader()
        if self._http is not None:
            await self._http.close()
            self._http = None

    async def _stop_reader(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
            self._reader = None

    async def _read(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        try:
            async for frame in ws:
                if frame.type is aiohttp.WSMsgType.TEXT:
                    self._take(json.loads(frame.data))
                elif frame.type is aiohttp.WSMsgType.BINARY:
                    self._take(msgpack.unpackb(frame.data))
        finally:
            self.close_code = ws.close_code
            for reply in self._replies.values():
                if not reply.done():
                    reply.set_exception(_closed(ws.close_code))

    def _take(self, batch: Message) -> None:
        for stream in ("log", "chat"):
            if stream in batch:
                self.positions[stream] = batch[stream]
        for message in batch["messages"]:
            if not self._settle(message):
                self._keep(message)

    def _settle(self, message: Message) -> bool:
        """Give a reply to whoever waits for it."""
        kind = message["type"]
        key = "welcome" if kind == "welcome" else message.get("id")
        if kind == "error" and key is None and "welcome" in self._replies:
            key = "welcome"
        reply = self._replies.get(key) if key is not None else None
        if reply is None or reply.done():
            return False
        if kind == "error":
            reply.set_exception(
                RoomError(message["code"], message["message"], message.get("retry_after_ms"))
            )
        else:
            reply.set_result(message)
        return True

    def _keep(self, message: Message) -> None:
        if self.received.qsize() >= self._queue_size:
            self.received.get_nowait()
            self.lost += 1
        self.received.put_nowait(message)


async def wait_camera(client: RoomClient) -> None:
    """Until somebody on the stage sends a camera, as the room says. For the caller to limit."""
    seats = client.welcome["stage"]["seats"]
    while not any("camera" in seat["sources"] for seat in seats):
        message = await client.next()
        if message["type"] in ("seat_taken", "seat_changed"):
            seats = [message["seat"]]


def _closed(code: int | None) -> RoomError:
    return RoomError("closed", f"the socket is closed ({code})")

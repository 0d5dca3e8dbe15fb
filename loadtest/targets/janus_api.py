"""The Janus API over one WebSocket (subprotocol `janus-protocol`): a session with many handles."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import aiohttp

from loadtest.targets.target import Refused, TargetError

Message = dict[str, Any]

REPLY_WITHIN_S: Final = 10.0
KEEP_ALIVE_EVERY_S: Final = 25.0
"""Janus ends a session after 60 s of silence (`session_timeout`)."""
VIDEO_ROOM: Final = "janus.plugin.videoroom"


class Reply(NamedTuple):
    """`data`: what the plugin said. `sdp`: the jsep that came with it."""

    data: Message
    sdp: str | None


class JanusApi:
    """`async with`. Requests raise `Refused` (with Janus's error code) and `TimeoutError`."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._url = url
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._waiting: dict[str, asyncio.Future[Message]] = {}
        self._numbers = itertools.count(1)
        self._session = 0

    async def __aenter__(self) -> Self:
        try:
            self._socket = await self._http.ws_connect(
                self._url, protocols=("janus-protocol",), max_msg_size=0
            )
        except (aiohttp.ClientError, TimeoutError) as error:
            raise TargetError(f"cannot talk to Janus at {self._url}: {error}") from error
        self._tasks.append(asyncio.create_task(self._read(self._socket), name="janus-reader"))
        self._session = (await self._request("create"))["data"]["id"]
        self._tasks.append(asyncio.create_task(self._keep_alive(), name="janus-keepalive"))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._socket is not None:
            await self._socket.close()

    @property
    def is_open(self) -> bool:
        return self._socket is not None and not self._socket.closed

    async def info(self) -> Message:
        """Version and settings of the server."""
        return await self._request("info")

    async def attach(self) -> int:
        """A new handle of the VideoRoom plugin."""
        reply = await self._request("attach", session_id=self._session, plugin=VIDEO_ROOM)
        handle: int = reply["data"]["id"]
        return handle

    async def detach(self, handle: int) -> None:
        """Ends the handle's peer connection and its place in the room."""
        await self._request("detach", session_id=self._session, handle_id=handle)

    async def message(
        self, handle: int, body: Mapping[str, object], *, jsep: Mapping[str, str] | None = None
    ) -> Reply:
        """Ask the plugin, and wait for its event if it only acknowledges at once."""
        fields: Message = {"session_id": self._session, "handle_id": handle, "body": dict(body)}
        if jsep is not None:
            fields["jsep"] = dict(jsep)
        reply = await self._request("message", **fields)
        data = reply.get("plugindata", {}).get("data", {})
        if "error_code" in data:
            raise Refused(f"janus_{data['error_code']}", str(data.get("error", "")))
        return Reply(data, reply.get("jsep", {}).get("sdp"))

    async def _request(self, kind: str, **fields: object) -> Message:
        assert self._socket is not None, "enter the context first"
        transaction = str(next(self._numbers))
        reply: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting[transaction] = reply
        try:
            async with asyncio.timeout(REPLY_WITHIN_S):
                await self._socket.send_str(
                    json.dumps({"janus": kind, "transaction": transaction, **fields})
                )
                return await reply
        except aiohttp.ClientError as error:
            raise Refused("closed", str(error)) from error
        finally:
            del self._waiting[transaction]

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        try:
            async for frame in socket:
                if frame.type is aiohttp.WSMsgType.TEXT:
                    self._take(json.loads(frame.data))
        finally:
            for waiting in self._waiting.values():
                if not waiting.done():
                    waiting.set_exception(Refused("closed", "Janus closed the WebSocket"))

    def _take(self, message: Message) -> None:
        """Events that nobody asked for (webrtcup, media, hangup, slowlink) are not looked at."""
        waiting = self._waiting.get(message.get("transaction", ""))
        if waiting is None or waiting.done() or message["janus"] == "ack":
            return
        if message["janus"] == "error":
            error = message["error"]
            waiting.set_exception(Refused(f"janus_{error['code']}", str(error.get("reason", ""))))
        else:
            waiting.set_result(message)

    async def _keep_alive(self) -> None:
        assert self._socket is not None, "started after connecting"
        while True:
            await asyncio.sleep(KEEP_ALIVE_EVERY_S)
            transaction = str(next(self._numbers))
            # Its ack is not waited for: a lost connection shows in every other request.
            await self._socket.send_str(
                json.dumps(
                    {
                        "janus": "keepalive",
                        "transaction": transaction,
                        "session_id": self._session,
                    }
                )
            )

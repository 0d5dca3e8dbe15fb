"""WebDriver BiDi, as much of it as our tests need: Firefox speaks it without a driver beside it,
and Playwright drives only a Firefox of its own make."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import aiohttp

ANSWER_WITHIN_S: Final = 45.0
"""Longest wait for one answer; calls into a page end by themselves before that."""

Listener = Callable[[dict[str, Any]], None]


class BidiError(Exception):
    """The browser refused a command, or a script in a page threw."""


class BidiConnection:
    """One session. Commands may overlap; events go to the listener."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, listener: Listener) -> None:
        self._socket = socket
        self._listener = listener
        self._last_id = 0
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}

    async def command(self, method: str, **params: object) -> dict[str, Any]:
        """Raises `BidiError`, also when the answer does not come or the browser is gone."""
        if self._socket.closed:
            raise BidiError(f"{method}: the browser is gone")
        self._last_id += 1
        answer = self._waiting[self._last_id] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": self._last_id, "method": method, "params": params})
        try:
            return await asyncio.wait_for(answer, ANSWER_WITHIN_S)
        except TimeoutError as error:
            raise BidiError(f"{method}: no answer within {ANSWER_WITHIN_S:g} s") from error

    async def read(self) -> None:
        """Until the browser hangs up."""
        async for frame in self._socket:
            if frame.type is aiohttp.WSMsgType.TEXT:
                self._take(json.loads(frame.data))
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(BidiError("the browser is gone"))

    def _take(self, message: dict[str, Any]) -> None:
        if message["type"] == "event":
            self._listener(message)
            return
        answer = self._waiting.pop(message["id"], None)
        if answer is None or answer.done():
            return
        if message["type"] == "error":
            answer.set_exception(BidiError(f"{message['error']}: {message['message']}"))
        else:
            answer.set_result(message["result"])


@contextlib.asynccontextmanager
async def connected(url: str, listener: Listener) -> AsyncIterator[BidiConnection]:
    """A session on a browser that listens there, until the block ends."""
    async with aiohttp.ClientSession() as http, http.ws_connect(url, max_msg_size=0) as socket:
        connection = BidiConnection(socket, listener)
        reading = asyncio.create_task(connection.read(), name="bidi")
        try:
            await connection.command("session.new", capabilities={})
            yield connection
        finally:
            await socket.close()
            await reading

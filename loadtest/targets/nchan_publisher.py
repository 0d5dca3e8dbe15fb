"""Publishing to Nchan by HTTP POST: each message alone, or what is said within a tick together."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Final
from urllib.parse import quote

import aiohttp

from loadtest.targets.target import Member, Refused

POST_WITHIN_S: Final = 10.0
SEPARATOR: Final = b"\n"
"""Between the messages of a bundle; JSON has no raw new line inside."""


def said(who: Member, number: int, text: str, now_ms: int) -> bytes:
    """What our own room delivers for this text, as JSON: the same fields, about the same size."""
    chat = {
        "message_id": f"m_{number:08d}",
        "subject": f"u_{who.user}",
        "name": who.user,
        "role": who.role,
        "text": text,
        "at_ms": now_ms,
    }
    message = {"type": "chat_said", "chat": chat}
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()


class Publisher:
    """All that is published to one channel. `batch_ms` None: a POST for each message."""

    def __init__(
        self, http: aiohttp.ClientSession, base_url: str, room: str, batch_ms: int | None
    ) -> None:
        self._http = http
        self._url = f"{base_url}/publish/{quote(room, safe='')}"
        self._batch_s = None if batch_ms is None else batch_ms / 1000
        self._bundle: list[bytes] = []
        self._sending: asyncio.Task[None] | None = None
        self._number = 0

    async def say(self, who: Member, text: str) -> None:
        """Returns when Nchan took it. Raises `Refused`, or `TimeoutError`."""
        self._number += 1
        message = said(who, self._number, text, time.time_ns() // 1_000_000)
        if self._batch_s is None:
            await self._post(message)
            return
        self._bundle.append(message)
        if self._sending is None:
            self._sending = asyncio.create_task(self._post_bundle(self._batch_s), name="nchan-post")
        # One caller that gives up does not take the others' messages with it.
        await asyncio.shield(self._sending)

    async def _post_bundle(self, wait_s: float) -> None:
        await asyncio.sleep(wait_s)
        bundle, self._bundle, self._sending = self._bundle, [], None
        await self._post(SEPARATOR.join(bundle))

    async def _post(self, body: bytes) -> None:
        try:
            async with asyncio.timeout(POST_WITHIN_S), self._http.post(self._url, data=body) as got:
                if got.status not in (200, 201, 202):
                    raise Refused(f"http_{got.status}", (await got.text())[:200])
        except aiohttp.ClientError as error:
            raise Refused("no_connection", str(error)) from error

    async def close(self) -> None:
        """What waits for its tick is dropped."""
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)

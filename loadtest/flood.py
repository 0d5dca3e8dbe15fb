"""A chat flood at a steady rate from several sockets (one alone would meet the server's limit)."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Sequence
from typing import Final

from loadtest.room_client import RoomClient

TICK_S: Final = 0.01
PER_SOCKET_PER_S: Final = 25.0
"""Half of what a server grants one connection."""


class Flood:
    """Chat messages from `clients` in turn. `sent` counts them."""

    def __init__(self, clients: Sequence[RoomClient], text: str) -> None:
        self._clients = itertools.cycle(clients)
        self._text = text
        self.sent = 0

    async def run(self, rate_per_s: float, seconds: float | None = None) -> None:
        """Send until `seconds` are over, or until cancelled."""
        loop = asyncio.get_running_loop()
        start, first = loop.time(), self.sent
        while seconds is None or loop.time() - start < seconds:
            while self.sent - first <= (loop.time() - start) * rate_per_s:
                await next(self._clients).send(
                    "chat", id=f"flood-{self.sent}", text=f"{self._text} {self.sent}"
                )
                self.sent += 1
            await asyncio.sleep(TICK_S)


@contextlib.asynccontextmanager
async def talkers(url: str, tokens: Sequence[str]) -> AsyncIterator[list[RoomClient]]:
    """One joined client for each token; what they receive is not kept."""
    async with contextlib.AsyncExitStack() as stack:
        clients = [RoomClient(url, token, queue=1) for token in tokens]
        for client in clients:
            await stack.enter_async_context(client)
        yield clients


def sockets_for(rate_per_s: float) -> int:
    """How many sockets a flood of that rate takes."""
    return max(1, -(-int(rate_per_s) // int(PER_SOCKET_PER_S)))

"""Which request a reply belongs to."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
from collections.abc import Iterator

from loadtest.sockets.tally import Message
from loadtest.targets.target import Refused


class Replies:
    """Requests of one socket that wait for their reply, by `id`."""

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Future[Message]] = {}
        self._numbers = itertools.count(1)
        self._prefix = secrets.token_hex(4)

    @contextlib.contextmanager
    def expect(self) -> Iterator[tuple[str, asyncio.Future[Message]]]:
        """A new `id` and the future of its reply, which fails with `Refused`."""
        key = f"{self._prefix}-{next(self._numbers)}"
        reply: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting[key] = reply
        try:
            yield key, reply
        finally:
            self._waiting.pop(key, None)
            reply.cancel()

    def settle(self, message: Message) -> None:
        """An `ack` or another reply; one that nobody waits for any more is dropped."""
        reply = self._waiting.get(message["id"])
        if reply is not None and not reply.done():
            reply.set_result(message)

    def refuse(self, key: str | None, refused: Refused) -> bool:
        """An `error`. Without an `id` it is for the newest request: a server that reads in order
        has the older ones in hand. False when nobody waits for it."""
        if key is None:
            key = next((key for key in reversed(self._waiting)), "")
        reply = self._waiting.get(key)
        if reply is None or reply.done():
            return False
        reply.set_exception(refused)
        return True

    def refuse_all(self, refused: Refused) -> None:
        """The socket is lost."""
        for reply in self._waiting.values():
            if not reply.done():
                reply.set_exception(refused)


def refused_by(error: Message) -> Refused:
    """What an `error` message of the server says."""
    wait_ms = error.get("retry_after_ms")
    return Refused(error["code"], error["message"], None if wait_ms is None else wait_ms / 1000)

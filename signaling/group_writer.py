"""Group commit: the store commands of one loop tick travel in one pipeline (DESIGN §6).

A lone awaited command costs 200-375 us of CPU and, with `appendfsync always`, a disk flush of its
own. While one pipeline is under way the next one gathers, so both are shared by everybody who
waits.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError

from signaling.backlog import ROOM, Backlog
from signaling.errors import Refusal
from signaling.lane import Lane
from signaling.tasks import TaskSet

log = logging.getLogger(__name__)

Argument: TypeAlias = str | bytes | int
Reply: TypeAlias = Any
"""What the store answers: nested lists of bytes and integers that the caller knows the shape of."""
MAX_GROUP: Final = 512
"""Commands of one pipeline: some 100 kB, below 10 ms of the store's time."""


class Script(NamedTuple):
    """A Lua script and its SHA-1 name, as EVALSHA wants it."""

    text: str
    sha: str

    @classmethod
    def of(cls, text: str) -> Script:
        return cls(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


class _Waiting(NamedTuple):
    args: tuple[Argument, ...]
    script: Script | None
    done: asyncio.Future[Reply]


class GroupWriter:
    """One pipeline after the other on one store. Replies come in the order of the calls of a lane.

    What waits is a `Backlog`: a flood of chat delays and fills chat's own part only. A call beyond
    that is refused with `store_unavailable`. Commands may reach the store twice after a broken
    connection: callers send only what is harmless twice.
    """

    def __init__(
        self, redis: Redis, *, room: Mapping[Lane, int] = ROOM, wait_s: float = 4.0
    ) -> None:
        self._redis = redis
        self._wait_s = wait_s
        self._backlog: Backlog[_Waiting] = Backlog(room)
        self._wake = asyncio.Event()
        self._tasks = TaskSet("group_writer")

    async def start(self) -> None:
        self._tasks.spawn(self._run(), "run")

    async def close(self) -> None:
        await self._tasks.close()
        self._fail(self._backlog.clear(), Refusal("shutting_down"))

    async def execute(self, *args: Argument, lane: Lane = Lane.CONTROL) -> Reply:
        """Run one command. Raises `Refusal` store_unavailable; other replies as they come."""
        return await self._submit(args, None, lane)

    async def run_script(
        self,
        script: Script,
        keys: list[str],
        args: list[Argument],
        *,
        lane: Lane = Lane.CONTROL,
    ) -> Reply:
        """Run a script by its hash, loading it where the store does not know it (any more)."""
        return await self._submit(("EVALSHA", script.sha, len(keys), *keys, *args), script, lane)

    def _submit(
        self, args: tuple[Argument, ...], script: Script | None, lane: Lane
    ) -> asyncio.Future[Reply]:
        done: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        if not self._backlog.push(lane, _Waiting(args, script, done)):
            raise Refusal(
                "store_unavailable",
                retry_after_ms=1000,
                lane=lane.name.lower(),
                reason="queue_full",
            )
        self._wake.set()
        return done

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while group := self._backlog.take(MAX_GROUP):
                await self._send_group(group)

    async def _send_group(self, group: list[_Waiting]) -> None:
        """Every future of the group is settled on return, whatever happens."""
        try:
            async with asyncio.timeout(self._wait_s):
                replies = await self._send(group)
                replies = await self._load_scripts(group, replies)
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("store_away error=%s commands=%d", type(error).__name__, len(group))
            self._fail(group, Refusal("store_unavailable", retry_after_ms=1000))
        except asyncio.CancelledError:
            self._fail(group, Refusal("shutting_down"))
            raise
        else:
            for waiting, reply in zip(group, replies, strict=True):
                self._settle(waiting, reply)

    async def _send(self, group: list[_Waiting]) -> list[Reply]:
        pipeline = self._redis.pipeline(transaction=False)
        for waiting in group:
            pipeline.execute_command(*waiting.args)
        return await pipeline.execute(raise_on_error=False)

    async def _load_scripts(self, group: list[_Waiting], replies: list[Reply]) -> list[Reply]:
        """Repeat what failed for want of a script; a restarted store has forgotten them all."""
        missing = [i for i, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if not missing:
            return replies
        for text in {script.text for i in missing if (script := group[i].script) is not None}:
            await self._redis.script_load(text)
        for i, reply in zip(missing, await self._send([group[i] for i in missing]), strict=True):
            replies[i] = reply
        return replies

    @staticmethod
    def _settle(waiting: _Waiting, reply: Reply) -> None:
        if waiting.done.done():
            return
        if isinstance(reply, RedisError):
            # An error of one command: LOADING, MISCONF, OOM, a full disk; all are the store's.
            log.error("store_refused command=%s error=%s", waiting.args[0], reply)
            waiting.done.set_exception(Refusal("store_unavailable", retry_after_ms=1000))
        else:
            waiting.done.set_result(reply)

    @staticmethod
    def _fail(group: list[_Waiting], refusal: Refusal) -> None:
        for waiting in group:
            if not waiting.done.done():
                waiting.done.set_exception(
                    Refusal(refusal.code, retry_after_ms=refusal.retry_after_ms)
                )

"""Rounds: what is asked for while a round is under way is answered together by the next one.

The core of group commit. A round never answers who came after it began, so an answer is never
older than its question.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from signaling.errors import Refusal
from signaling.tasks import TaskSet

log = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")


class Asked(Generic[T, R]):
    """One item that waits for its answer."""

    __slots__ = ("_done", "item")

    def __init__(self, item: T, done: asyncio.Future[R]) -> None:
        self.item = item
        self._done = done

    def answer(self, result: R) -> None:
        """Settle it; without effect when it was settled or its asker gave up."""
        if not self._done.done():
            self._done.set_result(result)

    def refuse(self, refusal: Refusal) -> None:
        if not self._done.done():
            # A copy each: one exception raised in many tasks would mix up their tracebacks.
            copy = Refusal(
                refusal.code,
                refusal.message,
                retry_after_ms=refusal.retry_after_ms,
                lane=refusal.lane,
                reason=refusal.reason,
            )
            self._done.set_exception(copy)


class Gather(Generic[T, R]):
    """Answers items in rounds of at most `max_together`, one round at a time, in order.

    `answer_all` settles every item of its round; what it leaves is refused as `internal`, all of
    it with the refusal that it raises. At most `max_waiting` items wait, more are refused as
    `rate_limited`. The task that works off the queue lives only while there is something in it.
    """

    def __init__(
        self,
        tasks: TaskSet,
        name: str,
        answer_all: Callable[[list[Asked[T, R]]], Awaitable[None]],
        *,
        max_together: int,
        max_waiting: int,
        lane: str | None = None,
    ) -> None:
        self._tasks = tasks
        self._name = name
        self._answer_all = answer_all
        self._max_together = max_together
        self._max_waiting = max_waiting
        self._lane = lane
        self._waiting: list[Asked[T, R]] = []
        self._group: list[Asked[T, R]] = []
        self.is_busy = False

    async def ask(self, item: T) -> R:
        if len(self._waiting) >= self._max_waiting:
            raise Refusal("rate_limited", retry_after_ms=1000, lane=self._lane, reason="queue_full")
        done: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append(Asked(item, done))
        if not self.is_busy:
            self.is_busy = True
            self._tasks.spawn(self._work(), self._name).add_done_callback(self._ended)
        return await done

    async def _work(self) -> None:
        while self._waiting:
            self._group = self._waiting[: self._max_together]
            self._waiting = self._waiting[self._max_together :]
            await self._round(self._group)
        self.is_busy = False

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            return
        # The owner closes, perhaps before the worker took its first step.
        self.is_busy = False
        for asked in (*self._group, *self._waiting):
            asked.refuse(Refusal("shutting_down"))
        self._waiting = []

    async def _round(self, group: list[Asked[T, R]]) -> None:
        refusal = Refusal("internal")
        try:
            await self._answer_all(group)
        except Refusal as reason:
            refusal = reason
        except Exception:
            # A bug ends the commands of this round, never the room.
            log.exception("round_failed name=%s items=%d", self._name, len(group))
        for asked in group:
            asked.refuse(refusal)

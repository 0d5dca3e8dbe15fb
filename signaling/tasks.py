"""Tasks with an owner: whoever starts one here also ends it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Final

log = logging.getLogger(__name__)

CANCEL_AGAIN_S: Final = 0.1


class TaskSet:
    """Named tasks that live no longer than their owner. Not a `TaskGroup`, because members come
    and go for the whole life of the owner and the failure of one must not end the others: it is
    logged as the bug that it is."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False

    def __len__(self) -> int:
        return len(self._tasks)

    def running(self) -> list[asyncio.Task[Any]]:
        """Those that have not ended, in no order; for inspection."""
        return list(self._tasks)

    def spawn(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Start `work`; after `close` it is dropped unstarted and a cancelled task comes back."""
        task = asyncio.get_running_loop().create_task(work, name=f"{self._name}.{name}")
        self._tasks.add(task)
        task.add_done_callback(self._done)
        if self._closed:
            task.cancel()
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("task_failed task=%s", task.get_name(), exc_info=error)

    async def close(self) -> None:
        """Cancel all members and wait for their end.

        Cancelled again until they have ended: redis-py loses a cancellation that meets it while
        it opens a connection, and the task would go on for ever.
        """
        self._closed = True
        current = asyncio.current_task()
        while pending := {task for task in self._tasks if task is not current}:
            for task in pending:
                task.cancel()
            await asyncio.wait(pending, timeout=CANCEL_AGAIN_S)

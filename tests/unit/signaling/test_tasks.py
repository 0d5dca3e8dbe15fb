from __future__ import annotations

import asyncio

import pytest

from signaling.tasks import TaskSet


async def test_closing_ends_a_task_that_loses_a_cancellation() -> None:
    tasks = TaskSet("test")
    lost = 0

    async def stubborn() -> None:
        nonlocal lost
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                lost += 1
                if lost == 2:
                    raise

    tasks.spawn(stubborn(), "stubborn")
    await asyncio.sleep(0)
    await tasks.close()
    assert (lost, len(tasks)) == (2, 0)


async def test_a_failed_task_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    tasks = TaskSet("test")

    async def broken() -> None:
        raise ZeroDivisionError

    task = tasks.spawn(broken(), "broken")
    await asyncio.wait([task])
    await asyncio.sleep(0)
    assert "task_failed task=test.broken" in caplog.text
    assert len(tasks) == 0


async def test_nothing_starts_after_closing() -> None:
    tasks = TaskSet("test")
    await tasks.close()
    ran = False

    async def work() -> None:
        nonlocal ran
        ran = True

    task = tasks.spawn(work(), "late")
    await asyncio.wait([task])
    assert task.cancelled()
    assert not ran

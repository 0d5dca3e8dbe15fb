from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from signaling.errors import Refusal
from signaling.gather import Asked, Gather
from signaling.tasks import TaskSet


class Desk:
    """Answers with the size of the round, when it is let."""

    def __init__(self, tasks: TaskSet, **bounds: int) -> None:
        self.rounds: list[list[int]] = []
        self.began = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.error: Exception | None = None
        self.gather: Gather[int, int] = Gather(
            tasks,
            "test",
            self._answer,
            max_together=bounds.get("max_together", 10),
            max_waiting=bounds.get("max_waiting", 100),
        )

    async def _answer(self, group: list[Asked[int, int]]) -> None:
        self.rounds.append([asked.item for asked in group])
        self.began.set()
        await self.may_answer.wait()
        if self.error is not None:
            raise self.error
        for asked in group:
            if asked.item >= 0:
                asked.answer(len(group))


@pytest.fixture
async def tasks() -> AsyncIterator[TaskSet]:
    tasks = TaskSet("test")
    yield tasks
    await tasks.close()


async def test_who_comes_during_a_round_is_answered_by_the_next(tasks: TaskSet) -> None:
    desk = Desk(tasks)
    first = asyncio.ensure_future(desk.gather.ask(1))
    await desk.began.wait()
    later = [asyncio.ensure_future(desk.gather.ask(n)) for n in (2, 3)]
    desk.may_answer.set()
    assert await asyncio.gather(first, *later) == [1, 2, 2]
    assert desk.rounds == [[1], [2, 3]]
    assert not desk.gather.is_busy


async def test_rounds_and_queue_are_bounded(tasks: TaskSet) -> None:
    desk = Desk(tasks, max_together=2, max_waiting=3)
    asked = [asyncio.ensure_future(desk.gather.ask(n)) for n in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(Refusal) as refused:
        await desk.gather.ask(3)
    assert refused.value.code == "rate_limited"
    desk.may_answer.set()
    assert await asyncio.gather(*asked) == [2, 2, 1]


async def test_what_is_left_unanswered_is_refused(tasks: TaskSet) -> None:
    desk = Desk(tasks)
    desk.may_answer.set()
    results = await asyncio.gather(desk.gather.ask(-1), desk.gather.ask(1), return_exceptions=True)
    assert isinstance(results[0], Refusal)
    assert (results[0].code, results[1]) == ("internal", 2)


async def test_a_refusal_is_everybodys(tasks: TaskSet) -> None:
    desk = Desk(tasks)
    desk.may_answer.set()
    desk.error = Refusal("store_unavailable", retry_after_ms=5)
    results = await asyncio.gather(desk.gather.ask(1), desk.gather.ask(2), return_exceptions=True)
    assert [type(r) for r in results] == [Refusal, Refusal]
    assert results[0] is not results[1]


async def test_a_bug_ends_its_round_only(tasks: TaskSet) -> None:
    desk = Desk(tasks)
    desk.may_answer.set()
    desk.error = ZeroDivisionError()
    with pytest.raises(Refusal) as refused:
        await desk.gather.ask(1)
    assert refused.value.code == "internal"
    desk.error = None
    assert await desk.gather.ask(1) == 1


async def test_closing_the_owner_settles_everybody(tasks: TaskSet) -> None:
    desk = Desk(tasks, max_together=1)
    asked = [asyncio.ensure_future(desk.gather.ask(n)) for n in range(2)]
    await desk.began.wait()
    await tasks.close()
    results = await asyncio.gather(*asked, return_exceptions=True)
    assert [r.code for r in results if isinstance(r, Refusal)] == ["shutting_down"] * 2

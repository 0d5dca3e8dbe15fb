"""What a manager does about each answer of the room; the answers are scripted here, the real room
gives them in test_seat.py."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from loadtest.sockets.manager import MAX_WAITING, Manager
from loadtest.sockets.shared import MAX_DECISIONS, Decisions
from loadtest.targets.target import Refused


class Script:
    """Answers in turn; then every request is taken. `said` is awaited by tests."""

    def __init__(self, *answers: Exception | None) -> None:
        self._answers = list(answers)
        self.said: asyncio.Queue[tuple[str, dict[str, object]]] = asyncio.Queue()

    async def request(self, kind: str, **fields: object) -> dict[str, Any]:
        self.said.put_nowait((kind, fields))
        answer = self._answers.pop(0) if self._answers else None
        if answer is not None:
            raise answer
        return {"type": "ack"}

    async def next(self) -> tuple[str, dict[str, object]]:
        return await asyncio.wait_for(self.said.get(), 5)


@contextlib.asynccontextmanager
async def managing(script: Script, complaints: Counter[str]) -> AsyncIterator[Manager]:
    manager = Manager(
        script.request, decisions=Decisions(), complaints=complaints, clock=lambda: 1.0
    )
    running = asyncio.create_task(manager.run(), name="manager")
    try:
        yield manager
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_requests_and_questions_are_worked_off_in_order() -> None:
    script, complaints = Script(), Counter[str]()
    async with managing(script, complaints) as manager:
        for subject in ("u_1", "u_2"):
            manager.mic_requested(subject)
        assert [await script.next(), await script.next()] == [
            ("accept_request", {"subject": "u_1"}),
            ("accept_request", {"subject": "u_2"}),
        ]
        manager.question_asked("q_1")
        kind, fields = await script.next()
        assert (kind, fields["question_id"]) == ("answer_question", "q_1")
        assert fields["text"]
    assert not complaints


async def test_a_full_stage_is_waited_for() -> None:
    script, complaints = Script(Refused("stage_full")), Counter[str]()
    async with managing(script, complaints) as manager:
        manager.mic_requested("u_1")
        assert (await script.next())[1] == {"subject": "u_1"}
        await asyncio.sleep(0)
        assert script.said.empty()
        manager.seat_left()
        assert (await script.next())[1] == {"subject": "u_1"}
    assert not complaints


async def test_a_seat_that_is_left_while_the_room_says_full_is_not_missed() -> None:
    script, complaints = Script(), Counter[str]()
    tries: list[int] = []

    async def full_at_first(kind: str, **fields: object) -> dict[str, Any]:
        tries.append(1)
        if len(tries) == 1:
            manager.seat_left()
            raise Refused("stage_full")
        return await script.request(kind, **fields)

    manager = Manager(
        full_at_first, decisions=Decisions(), complaints=complaints, clock=lambda: 1.0
    )
    running = asyncio.create_task(manager.run(), name="manager")
    manager.mic_requested("u_1")
    await script.next()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_rate_limit_is_waited_out() -> None:
    script, complaints = Script(Refused("rate_limited", retry_after_s=0.001)), Counter[str]()
    async with managing(script, complaints) as manager:
        manager.question_asked("q_1")
        assert (await script.next())[1]["question_id"] == "q_1"
        assert (await script.next())[1]["question_id"] == "q_1"
    assert not complaints


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (Refused("no_request"), None),
        (Refused("question_closed"), None),
        (Refused("forbidden"), "accept_request: forbidden"),
        (TimeoutError(), "accept_request: no reply"),
    ],
)
async def test_what_cannot_be_helped_is_left(answer: Exception, complaint: str | None) -> None:
    script, complaints = Script(answer), Counter[str]()
    async with managing(script, complaints) as manager:
        manager.mic_requested("u_1")
        manager.mic_requested("u_2")
        assert [(await script.next())[1]["subject"] for _ in range(2)] == ["u_1", "u_2"]
    assert list(complaints) == ([complaint] if complaint else [])


async def test_too_many_are_counted() -> None:
    script, complaints = Script(), Counter[str]()
    manager = Manager(
        script.request, decisions=Decisions(), complaints=complaints, clock=lambda: 1.0
    )
    for n in range(MAX_WAITING + 2):
        manager.question_asked(f"q_{n}")
        manager.mic_requested(f"u_{n}")
    assert sorted(complaints.values()) == [2, 2]


def test_decisions_know_their_last_time_and_are_bounded() -> None:
    decisions = Decisions()
    decisions.sent("u_1", 1.0)
    decisions.sent("u_1", 2.0)
    assert decisions.delay_s("u_1", 2.5) == 0.5
    assert decisions.delay_s("u_2", 2.5) is None
    for n in range(MAX_DECISIONS):
        decisions.sent(f"v_{n}", 3.0)
    assert decisions.delay_s("u_1", 3.0) is None
    assert decisions.delay_s("v_0", 3.0) == 0.0

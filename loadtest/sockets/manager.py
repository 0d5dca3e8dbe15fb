"""Whoever manages the room without a person: lets everybody onto the stage, answers questions."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

from loadtest.sockets.shared import Decisions
from loadtest.targets.target import Refused

ANSWER: Final = "有的，库存充足"
MAX_WAITING: Final = 1000
"""Requests and questions that may wait; what comes beyond is left alone, with a complaint."""
SEAT_WITHIN_S: Final = 60.0
"""How long the first in line waits for a free seat."""
RETRY_S: Final = 1.0
"""After a refusal that names no time."""
_SETTLED: Final = frozenset(
    {"no_request", "already_on_stage", "not_in_room", "question_closed", "question_not_found"}
)
"""Somebody else was faster, or the person left: nothing is left to do."""


class Request(Protocol):
    """`LianmaiSocket.request`."""

    def __call__(self, kind: str, **fields: object) -> Awaitable[dict[str, Any]]: ...


class Manager:
    """Works off what it is told of, oldest first, while `run` runs. Seats and questions do not
    wait for each other."""

    def __init__(
        self,
        request: Request,
        *,
        decisions: Decisions,
        complaints: Counter[str],
        clock: Callable[[], float],
    ) -> None:
        """`clock`: monotonic seconds."""
        self._request = request
        self._decisions = decisions
        self._complaints = complaints
        self._clock = clock
        self._subjects: asyncio.Queue[str] = asyncio.Queue(MAX_WAITING)
        self._questions: asyncio.Queue[str] = asyncio.Queue(MAX_WAITING)
        self._seat_left = asyncio.Event()

    def mic_requested(self, subject: str) -> None:
        self._enqueue(self._subjects, subject, "a mic request found no place in the queue")

    def question_asked(self, question_id: str) -> None:
        self._enqueue(self._questions, question_id, "a question found no place in the queue")

    def seat_left(self) -> None:
        self._seat_left.set()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._seat_all(), name="manager-seats")
            group.create_task(self._answer_all(), name="manager-answers")

    def _enqueue(self, queue: asyncio.Queue[str], item: str, complaint: str) -> None:
        try:
            queue.put_nowait(item)
        except asyncio.QueueFull:
            self._complaints[complaint] += 1

    async def _seat_all(self) -> None:
        while True:
            subject = await self._subjects.get()
            await self._until_settled("accept_request", subject=subject)

    async def _answer_all(self) -> None:
        while True:
            question_id = await self._questions.get()
            await self._until_settled("answer_question", question_id=question_id, text=ANSWER)

    async def _until_settled(self, kind: str, **fields: object) -> None:
        while True:
            self._seat_left.clear()
            if kind == "accept_request":
                self._decisions.sent(str(fields["subject"]), self._clock())
            try:
                await self._request(kind, **fields)
            except TimeoutError:
                self._complaints[f"{kind}: no reply"] += 1
            except Refused as refused:
                if await self._may_retry(kind, refused):
                    continue
            return

    async def _may_retry(self, kind: str, refused: Refused) -> bool:
        """True after the wait that the refusal asks for."""
        if refused.code == "stage_full":
            try:
                await asyncio.wait_for(self._seat_left.wait(), SEAT_WITHIN_S)
            except TimeoutError:
                self._complaints[f"{kind}: no seat became free"] += 1
                return False
            return True
        if refused.code == "rate_limited":
            await asyncio.sleep(refused.retry_after_s or RETRY_S)
            return True
        if refused.code not in _SETTLED:
            self._complaints[f"{kind}: {refused.code}"] += 1
        return False

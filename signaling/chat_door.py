"""A room's chat waits here to be let in: `ChatGate` with a timer and somebody waiting."""

from __future__ import annotations

import asyncio
from typing import Final, TypeAlias

from signaling.chat_gate import WINDOW_S, ChatGate, Choice
from signaling.errors import Refusal
from signaling.ids import Subject
from signaling.limits import Allowance

_Waiting: TypeAlias = asyncio.Future[bool]
SHED_RETRY_MS: Final = round(WINDOW_S * 1000) * 20
"""A second: by then the author has been heard longer ago than those who were chosen."""


class ChatDoor:
    """`pass_in` returns when a message may go on and raises when it was shed. `close` lets
    nobody wait for ever."""

    def __init__(self, allowance: Allowance, now: float) -> None:
        self._gate: ChatGate[_Waiting] = ChatGate(allowance, now)
        self._timer: asyncio.TimerHandle | None = None

    @property
    def shed(self) -> int:
        """Messages so far."""
        return self._gate.shed

    async def pass_in(self, author: Subject) -> None:
        """Wait for at most one window. Raises `Refusal("chat_shed")` with `retry_after_ms`."""
        loop = asyncio.get_running_loop()
        waiting: _Waiting = loop.create_future()
        self._settle(self._gate.offer(author, waiting, loop.time()))
        deadline = self._gate.next_deadline()
        if deadline is not None and self._timer is None:
            self._timer = loop.call_at(deadline, self._window_ended, deadline)
        if not await waiting:
            raise Refusal("chat_shed", retry_after_ms=SHED_RETRY_MS, lane="chat", reason="flood")

    def close(self) -> None:
        """Shed what waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._window_ended(self._timer.when())

    def _window_ended(self, deadline: float) -> None:
        self._timer = None
        # A timer may fire a hair early by the loop's clock.
        self._settle(self._gate.take(max(deadline, asyncio.get_running_loop().time())))

    @staticmethod
    def _settle(choice: Choice[_Waiting]) -> None:
        for passed, decided in ((True, choice.passed), (False, choice.shed)):
            for waiting in decided:
                if not waiting.done():
                    waiting.set_result(passed)

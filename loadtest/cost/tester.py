"""The tester watches itself: its CPU, and how late its event loop is."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from random import Random
from types import TracebackType
from typing import Final, Self

from loadtest.cost.bottleneck import bottleneck
from loadtest.cost.heartbeat import Heartbeat
from loadtest.report.model import Tester

_RESERVOIR_SEED: Final = 1


@dataclass(frozen=True, slots=True)
class TesterInterval:
    """Since the last `take`."""

    cpu_cores: float
    lag_ms: float
    """The longest that the event loop was late."""


class TesterMeter:
    """Enter it on the running loop; `begin` when the warm-up is over, `take` once a second,
    `summary` at the end. CPU is that of this process with all its threads."""

    def __init__(self) -> None:
        self._beats = Heartbeat(Random(_RESERVOIR_SEED))
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self.begin()
        self._arm(self._beats.start(self._loop.time()))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def begin(self) -> None:
        """Forget what was: the measured part starts now."""
        self._beats.forget()
        self._began = self._taken = _Usage(self._loop.time(), time.process_time())

    def take(self) -> TesterInterval:
        """What happened since the last call, or since `begin`."""
        now = self._usage()
        interval = TesterInterval(now.cores_since(self._taken), self._beats.take_worst_ms())
        self._taken = now
        return interval

    def summary(self, *, receive_overflows: int, packets: int) -> Tester:
        """Since `begin`. `packets` are all that the tester received, `receive_overflows` those that
        the kernel dropped before it could."""
        cores = self._usage().cores_since(self._began)
        lag_ms = self._beats.percentiles_ms()
        why = bottleneck(cores, lag_ms, receive_overflows, packets)
        return Tester(
            cpu_cores=cores,
            lag_ms=lag_ms,
            receive_overflows=receive_overflows,
            is_bottleneck=bool(why),
            why=why,
        )

    def _usage(self) -> _Usage:
        return _Usage(self._loop.time(), time.process_time())

    def _arm(self, due: float) -> None:
        self._timer = self._loop.call_at(due, self._beat)

    def _beat(self) -> None:
        self._arm(self._beats.beat(self._loop.time()))


@dataclass(frozen=True, slots=True)
class _Usage:
    at: float
    cpu_s: float

    def cores_since(self, earlier: _Usage) -> float:
        passed = self.at - earlier.at
        return (self.cpu_s - earlier.cpu_s) / passed if passed > 0 else 0.0

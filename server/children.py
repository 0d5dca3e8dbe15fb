"""Children that must be there: started, watched, restarted with back-off, stopped with us."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from server.logs import get_log
from server.process import ChildProcess, LineSink

log = get_log(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPolicy:
    """When a child that ended is started again."""

    first_delay_s: float = 0.5
    max_delay_s: float = 30.0
    healthy_after_s: float = 60.0
    """A run this long forgets earlier failures."""
    limit: int | None = None
    """Failures in a row before giving up; None never gives up."""


class Backoff:
    """How long to wait before the next start: doubles, up to a limit (a core: no clock)."""

    def __init__(self, policy: RestartPolicy) -> None:
        self._policy: Final = policy
        self.failures = 0

    def next_delay_s(self, ran_s: float) -> float | None:
        """Seconds to wait after a run of `ran_s` seconds ended; None: give up."""
        policy = self._policy
        if ran_s >= policy.healthy_after_s:
            self.failures = 0
        self.failures += 1
        if policy.limit is not None and self.failures > policy.limit:
            return None
        # The exponent is bounded, or a child failing for days overflows a float.
        doubled = policy.first_delay_s * 2.0 ** min(self.failures - 1, 32)
        return min(doubled, policy.max_delay_s)


class Child:
    """A supervised program. `await start()`, then `await stop()`; or `async with`.

    `died` gets the last exit code when the policy gives up; awaiting it is how a caller learns
    that the child will not come back.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        policy: RestartPolicy = RestartPolicy(),
        stop_limit_s: float = 10.0,
        sink: LineSink | None = None,
    ) -> None:
        """`env` None inherits ours; `sink` gets the output's lines, the log when None."""
        self.name: Final = name
        self.restarts = 0
        self._argv: Final = tuple(argv)
        self._env: Final = env
        self._policy: Final = policy
        self._stop_limit_s: Final = stop_limit_s
        self._sink: Final = sink
        self._process: ChildProcess | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._died: asyncio.Future[int] | None = None
        self._stopping: Final = asyncio.Event()

    @property
    def alive(self) -> bool:
        """It runs now (False while it waits to be restarted)."""
        return self._process is not None and self._process.alive

    @property
    def pid(self) -> int | None:
        """Of the present or the last run."""
        return self._process.pid if self._process else None

    @property
    def died(self) -> asyncio.Future[int]:
        assert self._died is not None, "start() comes first"
        return self._died

    async def start(self) -> None:
        """Start the first run and its supervision. Call it once."""
        assert self._supervisor is None, "started already"
        self._died = asyncio.get_running_loop().create_future()
        process = await self._run_once()
        self._supervisor = asyncio.create_task(
            self._supervise(process), name=f"supervise-{self.name}"
        )

    async def stop(self) -> None:
        """End the child, SIGTERM first, SIGKILL after the limit. May be repeated."""
        # Not by cancelling the supervisor: it might just be starting the next run.
        self._stopping.set()
        if self._process is not None:
            await self._process.stop(self._stop_limit_s)
        if self._supervisor is not None:
            await self._supervisor

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    async def _run_once(self) -> ChildProcess:
        process = await ChildProcess.start(self.name, self._argv, env=self._env, sink=self._sink)
        self._process = process
        log.info("child_started", child=self.name, pid=process.pid)
        return process

    async def _supervise(self, process: ChildProcess) -> None:
        loop = asyncio.get_running_loop()
        backoff = Backoff(self._policy)
        while True:
            started_at = loop.time()
            code = await process.wait()
            if self._stopping.is_set():
                return
            delay_s = backoff.next_delay_s(loop.time() - started_at)
            if delay_s is None:
                log.error("child_given_up", child=self.name, code=code, restarts=self.restarts)
                self.died.set_result(code)
                return
            log.warning("child_ended", child=self.name, code=code, restart_in_s=delay_s)
            if await self._is_stopping_within(delay_s):
                return
            self.restarts += 1
            process = await self._run_once()
            if self._stopping.is_set():
                await process.stop(self._stop_limit_s)
                return

    async def _is_stopping_within(self, delay_s: float) -> bool:
        try:
            async with asyncio.timeout(delay_s):
                return await self._stopping.wait()
        except TimeoutError:
            return False

"""A run's figures as they grow: one interval a second, then the measured part and the whole."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from loadtest.cost.figures import cost_of
from loadtest.cost.processes import CpuSample, ServerProcesses
from loadtest.cost.tester import TesterMeter
from loadtest.crowd.sums import Sums
from loadtest.crowd.tally import Present, Tally, Usage
from loadtest.report.model import Cost, Interval, Tester, Totals

INTERVAL_S: Final = 1.0
SILENT_S: Final = 10.0
"""Viewers who get nothing for that long watch a server that is gone."""


class People(Protocol):
    """Who is counted."""

    def sums(self) -> Sums: ...

    def present(self) -> Present: ...


@dataclass(frozen=True, slots=True)
class Figures:
    """What came out."""

    seconds: float
    totals: Totals
    cost: Cost | None
    tester: Tester


@dataclass(slots=True)
class _Moment:
    at: float
    sums: Sums
    server: CpuSample | None


class Measurement:
    """`run` beats until cancelled; `finish` once at the end of the measured part, then `figures`
    when late messages had their chance. `on_end(why)` is called when going on makes no sense."""

    def __init__(
        self,
        tally: Tally,
        people: People,
        *,
        server: ServerProcesses | None,
        tester: TesterMeter,
        on_interval: Callable[[Interval], None],
        on_end: Callable[[str], None],
    ) -> None:
        self._tally = tally
        self._people = people
        self._server = server
        self._tester = tester
        self._on_interval = on_interval
        self._on_end = on_end
        self._began: _Moment | None = None
        self._ended: _Moment | None = None
        self._present = Present(0, 0, 0)
        self._memory_before: int | None = None
        self._silent_s = 0.0
        self.series: list[Interval] = []

    async def run(self, start: float, warm_up_s: float) -> None:
        """`start` is on the loop's clock."""
        last = await self._moment()
        number = 0
        while True:
            number += 1
            if self._began is None and last.at - start >= warm_up_s - INTERVAL_S / 2:
                self._tester.begin()
                self._tally.begin_measuring()
                self._began = last
            await _sleep_until(start + number * INTERVAL_S)
            now = await self._moment()
            self._close_interval(last, now, start)
            last = now

    def note_memory(self) -> None:
        """Nobody whose memory is to be known has come yet. The first call counts."""
        if self._server is not None and self._memory_before is None:
            self._memory_before = self._server.sample().memory_bytes

    async def finish(self) -> None:
        """The measured part is over."""
        self._ended = await self._moment()
        self._present = self._people.present()

    def figures(self) -> Figures:
        ended = self._ended
        assert ended is not None, "finish() comes first"
        began = self._began or ended
        new = ended.sums.since(began.sums)
        seconds = ended.at - began.at
        return Figures(
            seconds=seconds,
            totals=self._tally.totals(new.media, self._people.sums().messages),
            cost=self._cost(began, ended, new, seconds),
            tester=self._tester.summary(
                receive_overflows=new.media.overflows, packets=new.media.packets
            ),
        )

    def _cost(self, began: _Moment, ended: _Moment, new: Sums, seconds: float) -> Cost | None:
        if began.server is None or ended.server is None or seconds <= 0:
            return None
        before = self._memory_before
        return cost_of(
            ended.server.since(began.server),
            seconds=seconds,
            packets=new.media.packets,
            messages=new.messages.messages,
            viewers=self._present.viewers,
            sockets=self._present.sockets,
            memory_before=began.server.memory_bytes if before is None else before,
        )

    async def _moment(self) -> _Moment:
        # Looking for children among all processes takes milliseconds.
        server = await asyncio.to_thread(self._server.sample) if self._server else None
        return _Moment(asyncio.get_running_loop().time(), self._people.sums(), server)

    def _close_interval(self, last: _Moment, now: _Moment, start: float) -> None:
        seconds = now.at - last.at
        new = now.sums.since(last.sums)
        present = self._people.present()
        tester = self._tester.take()
        used = now.server.since(last.server) if now.server and last.server else None
        interval = self._tally.interval(
            now.at - start,
            seconds,
            new,
            present,
            Usage(
                (used.user_s + used.system_s) / seconds if used else None,
                now.server.memory_bytes if now.server else None,
                tester.cpu_cores,
                tester.lag_ms,
            ),
        )
        self.series.append(interval)
        self._on_interval(interval)
        self._look_for_the_end(now, present, new, seconds)

    def _look_for_the_end(self, now: _Moment, present: Present, new: Sums, seconds: float) -> None:
        if now.server is not None and now.server.vanished:
            self._on_end("the server's process ended")
        is_silent = bool(present.viewers or self._silent_s) and not new.media.packets
        self._silent_s = self._silent_s + seconds if is_silent else 0.0
        if self._silent_s >= SILENT_S:
            self._on_end(f"the target stopped answering: no packet for {SILENT_S:.0f} s")


async def _sleep_until(due: float) -> None:
    await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))

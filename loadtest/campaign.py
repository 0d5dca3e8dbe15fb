"""One run, or several in turn: sizes of one scenario (growth), or targets side by side.

A B C A B C ...: noise of a shared machine comes and goes over minutes, so only runs beside each
other in time are compared, and the spread of their ratios is told.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import shlex
import signal
from collections.abc import Sequence

from rich.console import Console

from loadtest.crowd.media import layers_of
from loadtest.crowd.run import Run, run_scenario
from loadtest.danmaku import read_lines, sample
from loadtest.report.figures import ratios_of
from loadtest.report.live import display_for
from loadtest.report.model import Comparison, CostPoint, Growth, Report
from loadtest.report.schema import AnyReport
from loadtest.scenario.changing import changed, viewers_of
from loadtest.scenario.flags import scenario_of
from loadtest.scenario.model import Scenario
from loadtest.scenario.wishes import Wishes
from loadtest.targets.flags import MakeTarget, makers_of
from loadtest.targets.target import TargetError
from loadtest.targets.tokens import Mint


class Campaign:
    """One or several runs, as the arguments ask for."""

    def __init__(self, args: argparse.Namespace, mint: Mint, words: Sequence[str]) -> None:
        """`words` are the arguments as they were written, for the report."""
        self._scenario = scenario_of(args)
        self._rounds: int = args.rounds
        self._sizes: Sequence[int] = args.grow or ()
        # The fewest people say the most each: what a private server grants must suffice for them.
        smallest = resized(self._scenario, min(self._sizes)) if self._sizes else self._scenario
        self._makers = makers_of(args, smallest, mint)
        if self._sizes and len(self._makers) > 1:
            raise TargetError("--grow goes with one --target: compare several at one size")
        self._console = Console(stderr=True, quiet=args.quiet)
        self._words = words
        self._server_pids: Sequence[int] = args.server_pid
        self._with_networks = not args.no_network
        danmaku = self._scenario.lines
        self._lines = sample() if danmaku is None else read_lines(danmaku)
        self._interrupted = asyncio.Event()

    @property
    def is_interrupted(self) -> bool:
        """By Ctrl-C or SIGTERM."""
        return self._interrupted.is_set()

    async def run(self) -> AnyReport | None:
        """None when it was interrupted before anything was measured."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._interrupt, loop, number)
        self._layers = await layers_of(self._scenario, self._say)
        # What lives now lives on; collecting it again and again would be lag of the tester's.
        gc.freeze()
        if self._sizes:
            reports = await self._grow()
            return growth(reports) if reports else None
        rounds = await self._take_turns()
        if not rounds:
            return None
        if len(self._makers) == 1 and self._rounds == 1:
            return rounds[0][0]
        return comparison(rounds)

    def _interrupt(self, loop: asyncio.AbstractEventLoop, number: int) -> None:
        """The first ends the run with a report, a second one at once."""
        self._interrupted.set()
        loop.remove_signal_handler(number)
        self._say("ending; the report comes (again: at once, without)")

    async def _grow(self) -> list[Report]:
        reports: list[Report] = []
        for size in self._sizes:
            if self.is_interrupted:
                break
            self._say(f"{size} ...")
            reports.append(await self._one(self._makers[0], resized(self._scenario, size)))
        return reports

    async def _take_turns(self) -> list[list[Report]]:
        rounds: list[list[Report]] = []
        for number in range(self._rounds):
            reports: list[Report] = []
            for maker in self._makers:
                if self.is_interrupted:
                    break
                if self._rounds * len(self._makers) > 1:
                    self._say(f"round {number + 1} of {self._rounds}")
                reports.append(await self._one(maker, self._scenario))
            if reports:
                rounds.append(reports)
        return rounds

    async def _one(self, maker: MakeTarget, scenario: Scenario) -> Report:
        one = Run(
            scenario=scenario,
            make_target=maker,
            command=shlex.join(["lianmai", "loadtest", *self._words]),
            lines=self._lines,
            layers=self._layers,
            display=lambda: display_for(self._console, quiet=self._console.quiet),
            say=self._say,
            server_pids=self._server_pids,
            with_networks=self._with_networks,
        )
        return await run_scenario(one, interrupted=self._interrupted)

    def _say(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False)


def resized(scenario: Scenario, size: int) -> Scenario:
    """With that many viewers; sockets, when nobody watches."""
    if viewers_of(scenario.groups):
        return changed(scenario, Wishes(subscribers=size))
    return changed(scenario, Wishes(sockets=size))


def comparison(rounds: Sequence[Sequence[Report]]) -> Comparison:
    """`rounds`: of each round one report a target, in the same order. An interrupted last round
    counts as far as it goes."""
    targets = tuple(report.target for report in rounds[0])
    reports = tuple(report for each in rounds for report in each)
    return Comparison(
        targets=targets,
        rounds=len(rounds),
        reports=reports,
        ratios=ratios_of(targets, reports),
        notes=(),
    )


def growth(reports: Sequence[Report]) -> Growth:
    """Of one scenario at growing size."""
    return Growth(points=tuple(map(_point, reports)), reports=tuple(reports))


def _point(report: Report) -> CostPoint:
    cost = report.cost
    return CostPoint(
        viewers=max((each.viewers for each in report.series), default=0),
        sockets=max((each.sockets for each in report.series), default=0),
        cpu_us_per_packet=cost.cpu_us_per_packet if cost else None,
        cpu_us_per_message=cost.cpu_us_per_message if cost else None,
        memory_kib_per_viewer=cost.memory_kib_per_viewer if cost else None,
        memory_kib_per_socket=cost.memory_kib_per_socket if cost else None,
        latency_ms=report.totals.latency_ms,
        lost_percent=report.totals.media.percent if report.totals.media else None,
        tester_is_bottleneck=report.tester.is_bottleneck,
    )

"""`lianmai loadtest`: send a crowd to a server, watch it, and report what it got and cost."""

from __future__ import annotations

import argparse
import asyncio
import gc
import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import uvloop
from rich.console import Console

from loadtest.compare import comparison, growth
from loadtest.cost.errors import CostError
from loadtest.crowd.media import layers_of
from loadtest.crowd.run import Run, run_scenario
from loadtest.danmaku import DanmakuError, read_lines, sample
from loadtest.media_source import SourceError
from loadtest.network.errors import NetworkError
from loadtest.report.live import display_for
from loadtest.report.model import Comparison, Growth, Report
from loadtest.report.schema import AnyReport, ReportError
from loadtest.report.terminal import print_comparison, print_growth, print_report
from loadtest.report.write import check_writable, write_html, write_json
from loadtest.scenario.changing import changed, viewers_of
from loadtest.scenario.checks import MAX_PEOPLE
from loadtest.scenario.errors import ScenarioError
from loadtest.scenario.flags import add_scenario_arguments, answer, scenario_of
from loadtest.scenario.model import Scenario
from loadtest.scenario.wishes import Wishes
from loadtest.targets.flags import MakeTarget, add_target_arguments, makers_of
from loadtest.targets.target import TargetError
from loadtest.targets.tokens import Mint

GOOD: Final = 0
MISSED: Final = 1
FAILED: Final = 2
INTERRUPTED: Final = 130
SECRETS: Final = ("--token", "--api-secret")
LARGEST_GROWTH: Final = 20
MOST_ROUNDS: Final = 50
REFUSALS: Final = (
    ScenarioError,
    TargetError,
    NetworkError,
    CostError,
    SourceError,
    DanmakuError,
    ReportError,
)
"""What ends the command with one line: nothing was measured, and the line names the remedy."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_scenario_arguments(parser)
    add_target_arguments(parser.add_argument_group("whom to load"))
    how = parser.add_argument_group("how to measure")
    how.add_argument(
        "--rounds",
        type=_at_most(MOST_ROUNDS),
        default=1,
        metavar="N",
        help="with several targets: how often each has its turn (A B A B ...)",
    )
    how.add_argument(
        "--grow",
        type=_sizes,
        metavar="N,N,...",
        help="run once for each number of viewers (or sockets), and show how the cost grows",
    )
    how.add_argument(
        "--server-pid",
        type=int,
        action="append",
        default=[],
        metavar="PID",
        help="a process of the server, with its children; for its CPU and memory",
    )
    how.add_argument(
        "--no-network", action="store_true", help="leave the networks of the scenario out"
    )
    out = parser.add_argument_group("the report")
    out.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
    out.add_argument("--html", type=Path, metavar="FILE", help="write one page with plots")
    out.add_argument("--quiet", action="store_true", help="show no progress")


def run(args: argparse.Namespace, *, mint: Mint) -> int:
    """`mint` makes tokens with the signing keys of --data-dir, for a lianmai that runs here."""
    try:
        return _run(args, mint)
    except REFUSALS as error:
        print(f"loadtest: {error}", file=sys.stderr)
        return FAILED


def _run(args: argparse.Namespace, mint: Mint) -> int:
    text = answer(args)
    if text is not None:
        print(text, end="")
        return GOOD
    for path in (args.json, args.html):
        if path is not None:
            check_writable(path)
    campaign = Campaign(args, mint, args_after(sys.argv))
    report = uvloop.run(campaign.run())
    if report is None:
        return INTERRUPTED
    if args.json is not None:
        write_json(report, args.json)
    if args.html is not None:
        write_html(report, args.html)
    show(report, Console())
    return verdict(report)


def show(report: AnyReport, console: Console) -> None:
    match report:
        case Report():
            print_report(report, console)
        case Growth():
            print_growth(report, console)
        case Comparison():
            print_comparison(report, console)


def verdict(report: AnyReport) -> int:
    """The exit status: a missed limit in any run is a miss."""
    reports = (report,) if isinstance(report, Report) else report.reports
    if any(not limit.met for each in reports for limit in each.slo):
        return MISSED
    return INTERRUPTED if any(each.interrupted for each in reports) else GOOD


class Campaign:
    """One or several runs, as the arguments ask for."""

    def __init__(self, args: argparse.Namespace, mint: Mint, words: Sequence[str]) -> None:
        """`words` are the arguments as they were written, for the report."""
        self._scenario = scenario_of(args)
        self._makers = makers_of(args, self._scenario, mint)
        self._rounds: int = args.rounds
        self._sizes: Sequence[int] = args.grow or ()
        if self._sizes and len(self._makers) > 1:
            raise TargetError("--grow goes with one --target: compare several at one size")
        self._console = Console(stderr=True, quiet=args.quiet)
        self._words = words
        self._server_pids: Sequence[int] = args.server_pid
        self._with_networks = not args.no_network
        danmaku = self._scenario.lines
        self._lines = sample() if danmaku is None else read_lines(danmaku)
        self._interrupted = asyncio.Event()

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
            if self._interrupted.is_set():
                break
            self._say(f"{size} ...")
            reports.append(await self._one(self._makers[0], resized(self._scenario, size)))
        return reports

    async def _take_turns(self) -> list[list[Report]]:
        rounds: list[list[Report]] = []
        for number in range(self._rounds):
            reports: list[Report] = []
            for maker in self._makers:
                if self._interrupted.is_set():
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


def args_after(argv: Sequence[str]) -> Sequence[str]:
    """The command's own arguments, without what must not stand in a report."""
    words = list(argv[argv.index("loadtest") + 1 :]) if "loadtest" in argv else []
    for place, word in enumerate(words):
        flag, equals, _ = word.partition("=")
        if flag in SECRETS and equals:
            words[place] = f"{flag}=..."
        elif flag in SECRETS and place + 1 < len(words):
            words[place + 1] = "..."
    return words


def _at_most(limit: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isdecimal() or not 1 <= int(text[:9]) <= limit:
            raise argparse.ArgumentTypeError(f"{text!r}: give 1 to {limit}")
        return int(text)

    return parse


def _sizes(text: str) -> list[int]:
    sizes = [_at_most(MAX_PEOPLE)(part.strip()) for part in text.split(",")]
    if len(sizes) > LARGEST_GROWTH:
        raise argparse.ArgumentTypeError(f"at most {LARGEST_GROWTH} sizes")
    return sizes

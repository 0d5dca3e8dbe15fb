"""`lianmai loadtest`: send a crowd to a server, watch it, and report what it got and cost."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import uvloop
from rich.console import Console

from loadtest.campaign import Campaign
from loadtest.cost.errors import CostError
from loadtest.danmaku import DanmakuError
from loadtest.media_source import SourceError
from loadtest.network.errors import NetworkError
from loadtest.report.model import Comparison, Growth, Report
from loadtest.report.schema import AnyReport, ReportError
from loadtest.report.terminal import print_comparison, print_growth, print_report
from loadtest.report.write import check_writable, write_html, write_json
from loadtest.scenario.checks import MAX_PEOPLE
from loadtest.scenario.errors import ScenarioError
from loadtest.scenario.flags import add_scenario_arguments, answer
from loadtest.targets.flags import add_target_arguments
from loadtest.targets.registry import help_lines
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
    text = "\n".join([*help_lines(), ""]) if args.targets else answer(args)
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

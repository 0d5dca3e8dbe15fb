"""`make bench`: the standard set, into docs/benchmarks.md.

python -m loadtest.bench [--quick] [--only PART | --resume] [--out bench-report]

Every part but the first picture is a `lianmai loadtest` with servers of its own; its JSON and page
go to the report folder. A quick run only proves that everything works, and leaves the docs alone.
What was interrupted goes on with `--resume`: parts that the folder has of this commit are kept.
"""

from __future__ import annotations

import argparse
import datetime
import shutil
import signal
import sys
from pathlib import Path
from typing import Final

import uvloop
from rich.console import Console

from loadtest import cli
from loadtest.bench.document import Measured, document
from loadtest.bench.first_frame import far_first_frames, first_frame
from loadtest.bench.joins import Joins
from loadtest.bench.plan import PLAN, Part
from loadtest.campaign import Campaign
from loadtest.network.errors import NetworkError
from loadtest.report.machine import machine
from loadtest.report.schema import AnyReport, ReportError
from loadtest.report.verdict import reports_in
from loadtest.report.write import read_json, write_html, write_json
from loadtest.targets.tokens import KeyPair

PAGE: Final = Path("docs/benchmarks.md")
MEANING: Final = "## What the figures mean"
"""The hand-written end of the page begins with this heading."""
FIRST_PICTURE: Final = "first-picture"
"""The part that is no `lianmai loadtest`."""
FIRST_FRAME_RUNS: Final = 30
QUICK_FIRST_FRAME_RUNS: Final = 5
NO_CHROMIUM: Final = "First picture: there is no chromium here (Debian: apt-get install chromium)."

console = Console(stderr=True)


def main() -> int:
    args = _arguments()
    # As Ctrl-C does: servers and browsers of this run end with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    args.out.mkdir(parents=True, exist_ok=True)
    try:
        measured = measure(args.only, args.quick, args.out, is_resumed=args.resume)
    except KeyboardInterrupt:
        console.print("interrupted: no page was written")
        return cli.INTERRUPTED
    page = PAGE if not args.quick and args.only is None else args.out / "benchmarks.md"
    page.write_text(document(measured, meaning_of(PAGE)))
    console.print(f"tables: {page}; figures and pages: {args.out}")
    return cli.GOOD if measured.parts or measured.first_frames else cli.FAILED


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a short run that proves it works")
    parts = [FIRST_PICTURE, *(part.name for part in PLAN)]
    some = parser.add_mutually_exclusive_group()
    some.add_argument("--only", choices=parts, help="one part alone")
    some.add_argument(
        "--resume", action="store_true", help="keep the parts that OUT has of this commit"
    )
    parser.add_argument("--out", type=Path, default=Path("bench-report"), help="report folder")
    return parser.parse_args()


def measure(only: str | None, quick: bool, out: Path, *, is_resumed: bool = False) -> Measured:
    left_out: list[str] = []
    parts: list[tuple[Part, AnyReport]] = []
    frames: list[Joins] = []
    if only in (None, FIRST_PICTURE):
        frames = _first_frames(quick, left_out)
    for part in PLAN:
        if only not in (None, part.name):
            continue
        console.rule(part.title)
        report = kept(out / f"{part.name}.json") if is_resumed else None
        if report is None:
            report = run(part, quick, left_out)
        if report is not None:
            parts.append((part, report))
            write_json(report, out / f"{part.name}.json")
            write_html(report, out / f"{part.name}.html")
    return Measured(
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        command="make bench" + (" ARGS=--quick" if quick else ""),
        machine=machine(),
        first_frames=frames,
        parts=parts,
        left_out=left_out,
    )


def kept(path: Path) -> AnyReport | None:
    """What an interrupted run left there, if it measured the commit that is checked out."""
    if not path.exists():
        return None
    try:
        report = read_json(path)
    except ReportError as error:
        console.print(f"{path} is measured again: {error}")
        return None
    if any(each.machine.commit != machine().commit for each in reports_in(report)):
        return None
    console.print(f"kept: {path}")
    return report


def run(part: Part, quick: bool, left_out: list[str]) -> AnyReport | None:
    """What cannot run on this machine is left out, with its reason."""
    words = (part.quick if quick else part.arguments).split()
    console.print(f"lianmai loadtest {' '.join(words)}", highlight=False)
    parser = argparse.ArgumentParser(prog="lianmai loadtest")
    cli.add_arguments(parser)
    args = parser.parse_args(words)
    try:
        campaign = Campaign(args, KeyPair.random().mint, words)
        report = uvloop.run(campaign.run())
    except cli.REFUSALS as error:
        left_out.append(f"{part.title}: {error}")
        console.print(left_out[-1])
        return None
    if campaign.is_interrupted:
        raise KeyboardInterrupt
    return report


def _first_frames(quick: bool, left_out: list[str]) -> list[Joins]:
    if not shutil.which("chromium"):
        left_out.append(NO_CHROMIUM)
        return []
    console.rule("First picture")
    runs = QUICK_FIRST_FRAME_RUNS if quick else FIRST_FRAME_RUNS
    frames = [uvloop.run(first_frame(runs))]
    try:
        frames += uvloop.run(far_first_frames(runs))
    except NetworkError as error:
        left_out.append(f"First picture from afar: {error}")
        console.print(left_out[-1])
    return frames


def meaning_of(page: Path) -> str:
    """The part of the page that people write; empty when there is none yet."""
    if not page.exists():
        return ""
    _, heading, rest = page.read_text().partition(MEANING)
    return heading + rest


if __name__ == "__main__":
    sys.exit(main())

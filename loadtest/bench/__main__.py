"""`make bench`: run the benchmarks against a server of their own and write a report.

python -m loadtest.bench [--quick] [--out bench-report]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from loadtest.bench import chat, first_frame, forwarding, questions
from loadtest.bench.figures import machine
from loadtest.bench.program import Program, serving, unguessable
from loadtest.bench.report import COLUMNS, TITLES, about, cell, markdown, notes, rows_of
from loadtest.publisher import TOKEN_VARIABLE
from loadtest.room_client import RoomClient, wait_camera

FORWARDING_VIEWERS = (1, 10, 50)
CHAT_SOCKETS = (100, 1000)
CHAT_RATE_PER_S = 100.0
QUESTION_FLOODS_PER_S = (0.0, 200.0)
QUESTIONS = 100
FIRST_FRAME_RUNS = 30
SEED = 7
TABLE_COLUMNS = 120
LIVE_WITHIN_S = 20.0
SETTLE_S = 2.0
"""One group of pictures: the host is no newcomer when the first viewer is."""

SETTINGS = {
    # One identity stands for the crowd and one person for the flood.
    "LIANMAI_ROOM_CHAT_PER_S": "100000",
    "LIANMAI_ROOM_CHAT_BURST": "100000",
    "LIANMAI_ROOM_ASK_PER_MIN": "100000",
    "LIANMAI_LOG_LEVEL": "warning",
}

console = Console(stderr=True)


@contextlib.asynccontextmanager
async def _ffmpeg_host(program: Program, room: str) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "loadtest.publisher", "--whip", f"{program.url}/whip/{room}",
        "--size", "640x360@30", "--bitrate-kbps", "800",
        env={**os.environ, TOKEN_VARIABLE: program.token(room, "host", "host")},
    )  # fmt: skip
    try:
        token = program.token(room, "watch", "staff")
        async with (
            asyncio.timeout(LIVE_WITHIN_S),
            RoomClient(program.socket_url, token) as watcher,
        ):
            await wait_camera(watcher)
        await asyncio.sleep(SETTLE_S)
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def run(quick: bool) -> dict[str, Any]:
    seconds = 3.0 if quick else 10.0
    report: dict[str, Any] = {"machine": machine(), "forwarding": [], "chat": [], "questions": []}
    if shutil.which("chromium"):
        console.print("first picture in Chromium ...")
        async with serving(SETTINGS) as program:
            room = unguessable()
            async with _ffmpeg_host(program, room):
                frames = await first_frame.measure(program, room, 5 if quick else FIRST_FRAME_RUNS)
        report["first_frame"] = frames._asdict()
    else:
        why = "the first picture was left out: there is no chromium (Debian: apt-get install it)"
        report["left_out"] = [why]
    for viewers in FORWARDING_VIEWERS:
        console.print(f"forwarding to {viewers} viewers ...")
        async with serving(SETTINGS) as program:
            cost = await forwarding.measure(
                program, unguessable(), viewers, seconds, random.Random(SEED)
            )
        report["forwarding"].append(cost._asdict())
    for sockets in CHAT_SOCKETS:
        console.print(f"chat to {sockets} sockets ...")
        async with serving(SETTINGS) as program:
            price = await chat.measure(program, unguessable(), sockets, CHAT_RATE_PER_S, seconds)
        report["chat"].append(price._asdict())
    for chat_per_s in QUESTION_FLOODS_PER_S:
        console.print(f"questions beside {chat_per_s:.0f} chat messages/s ...")
        async with serving(SETTINGS) as program:
            delay = await questions.measure(
                program, unguessable(), chat_per_s, 20 if quick else QUESTIONS
            )
        report["questions"].append(delay._asdict())
    return report


def print_tables(report: dict[str, Any], command: str) -> None:
    """Wide enough for the headings: figures without units are no figures."""
    out = Console(width=TABLE_COLUMNS)
    out.print(about(report, command), highlight=False)
    for name, columns in COLUMNS.items():
        table = Table(title=TITLES[name], title_justify="left", box=box.SIMPLE_HEAD)
        for heading in columns.values():
            table.add_column(heading, justify="right", overflow="fold")
        for row in rows_of(report, name):
            table.add_row(*(cell(row[key]) for key in columns))
        if table.row_count:
            out.print(table)
    for note in notes(report):
        out.print(f"Note: {note}.")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m loadtest.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a short run that proves it works")
    parser.add_argument("--out", type=Path, default=Path("bench-report"), help="report folder")
    args = parser.parse_args()
    report = asyncio.run(run(args.quick))
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / "bench.json"
    path.write_text(json.dumps(report, indent=2) + "\n")
    command = "make bench" + (" ARGS=--quick" if args.quick else "")
    (args.out / "bench.md").write_text(markdown(report, command))
    print_tables(report, command)
    console.print(f"report: {path} and bench.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())

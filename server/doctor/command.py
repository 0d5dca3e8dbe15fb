"""The command: run every check, print a table or JSON; exit code 1 when one failed."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from server.doctor import machine, media, network, relays, storage
from server.doctor.check import Check
from server.logs import set_up_logging
from server.settings import Settings
from server.settings_flags import add_settings_flags, settings_of

_STYLE = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=("table", "json"), default="table")
    add_settings_flags(parser)


def run(args: argparse.Namespace) -> int:
    settings = settings_of(args)
    # The checks say what they find themselves; logs of the store's start would stand between.
    set_up_logging("error", "text")
    checks = asyncio.run(examine(settings))
    if args.format == "json":
        print(json.dumps([check._asdict() for check in checks], ensure_ascii=False, indent=2))
    else:
        _print_table(checks)
    return 1 if any(check.status == "fail" for check in checks) else 0


async def examine(settings: Settings) -> list[Check]:
    """Every finding, the most basic first."""
    return [
        machine.python(),
        machine.event_loop(),
        machine.cores(),
        machine.open_files(),
        machine.overcommit(),
        machine.disk(settings),
        machine.clock(),
        network.tcp_port(settings),
        *(network.udp_port(settings, port) for port in settings.media_ports),
        *(network.media_tcp_port(settings, port) for port in settings.media_ports),
        network.segmentation_offload(),
        network.socket_buffers(),
        network.certificate(settings),
        *await relays.relays(settings),
        media.dtls(),
        media.srtp(),
        media.codecs(),
        await storage.store(settings),
        machine.chromium(),
    ]


def _print_table(checks: Sequence[Check]) -> None:
    table = Table("check", "", "found", "how to mend it", box=None, padding=(0, 2, 0, 0))
    for check in checks:
        status = f"[{_STYLE[check.status]}]{check.status}[/]"
        table.add_row(check.name, status, escape(check.detail), escape(check.fix))
    console = Console()
    console.print(table)
    worst = [check for check in checks if check.status != "ok"]
    failed = sum(check.status == "fail" for check in worst)
    console.print(
        "\nEverything is fine."
        if not worst
        else f"\n{failed} failed, {len(worst) - failed} to look at, of {len(checks)} checks."
    )

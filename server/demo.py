"""`lianmai demo` (= `make run`): the whole program with a room `demo` that is alive.

Starts the server in this process, a synthetic host in a process of its own (FFmpeg's WHIP muxer,
real WebRTC), and a few simulated viewers who chat and ask; prints the links; ends with Ctrl-C.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import sys
from typing import Final

from loadtest.chatter import chatter, make_bots
from loadtest.publisher import TOKEN_VARIABLE
from server.children import Child
from server.serve import RunningServer, running
from server.settings import Settings
from signaling.ids import DEFAULT_SHOP, RoomId
from signaling.views import Role

ROOM: Final = RoomId("demo")
TOKEN_TTL_S: Final = 12 * 3600
"""A demo may stay open on a desk all day."""
SEED: Final = 20_261_122


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--viewers", type=int, default=6, help="simulated viewers who chat (0-50)")
    parser.add_argument(
        "--no-host", action="store_true", help="no synthetic host: go live yourself in the console"
    )


async def run_demo(settings: Settings, args: argparse.Namespace) -> None:
    """Run until cancelled."""
    async with running(settings) as server, contextlib.AsyncExitStack() as stack:
        if not args.no_host:
            await stack.enter_async_context(_synthetic_host(server))
        if args.viewers:
            crowd = asyncio.create_task(_crowd(server, min(args.viewers, 50)), name="demo-crowd")
            stack.push_async_callback(_end, crowd)
        _print_links(server)
        await server.wait_closed()


def _mint(server: RunningServer, user: str, name: str, role: Role) -> str:
    return server.mint(DEFAULT_SHOP, ROOM, user, name, role, TOKEN_TTL_S)


def _synthetic_host(server: RunningServer) -> Child:
    """A process of its own: encoding must not disturb what it demonstrates."""
    return Child(
        "synthetic-host",
        [sys.executable, "-m", "loadtest.publisher", "--whip", f"{server.url}/whip/{ROOM}"],
        env={**os.environ, TOKEN_VARIABLE: _mint(server, "host", "连麦小店", "host")},
    )


async def _crowd(server: RunningServer, viewers: int) -> None:
    bots = make_bots(viewers, lambda user, name: _mint(server, user, name, "viewer"))
    await chatter(server.socket_url, bots, rng=random.Random(SEED))


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _print_links(server: RunningServer) -> None:
    viewer = _mint(server, "viewer-1", "看客一", "viewer")
    second = _mint(server, "viewer-2", "看客二", "viewer")
    host = _mint(server, "host", "连麦小店", "host")
    staff = _mint(server, "staff-1", "小助理", "staff")
    print(
        f"""
  lianmai demo is live                          连麦演示已开播

  Viewer          观众      {server.url}/room/{ROOM}#token={viewer}
  Second viewer   观众二    {server.url}/room/{ROOM}#token={second}
  Host console    主播台    {server.url}/console/{ROOM}#token={host}
  Staff console   助理台    {server.url}/console/{ROOM}#token={staff}
  All rooms       大厅      {server.url}/

  To be the host yourself: lianmai demo --no-host, then "Go live" in the host console.
  Ctrl-C stops everything.                      按 Ctrl-C 结束。
""",
        flush=True,
    )

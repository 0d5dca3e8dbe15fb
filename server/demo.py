"""`lianmai demo` (= `make run`): the whole program with a room `demo` that is alive.

Starts the server in this process, a synthetic host in a process of its own (FFmpeg's WHIP muxer,
real WebRTC), and a few simulated viewers who chat and ask; prints the links once there is a picture
to see; ends with Ctrl-C.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import ssl
import sys
from pathlib import Path
from typing import Final

import aiohttp

from loadtest.chatter import chatter, make_bots
from loadtest.publisher import COMPLAINT, TOKEN_VARIABLE
from loadtest.room_client import RoomClient, RoomError, wait_camera
from loadtest.rtc.light_peer import LightPeer, PeerError
from loadtest.trust import Trust
from loadtest.whip_relay import OVER
from server.app import media_addresses
from server.app_keys import DOORKEEPER, ROOMS, SIGNING
from server.children import Child
from server.logs import get_log, set_up_logging
from server.serve import RunningServer, running
from server.settings import Settings
from server.tls import ca_certificate_path
from signaling.ids import DEFAULT_SHOP, RoomId
from signaling.views import ProductView, Role

ROOM: Final = RoomId("demo")
TOKEN_TTL_S: Final = 12 * 3600
"""A demo may stay open on a desk all day."""
SEED: Final = 20_261_122
MAX_VIEWERS: Final = 50
PICTURE_WITHIN_S: Final = 15.0
_END: Final = "Ctrl-C stops everything.  按 Ctrl-C 结束。"

_AT_THE_SHOP: Final = "https://example.com/"
"""RFC 2606: a page of nobody's, which says so."""
PRODUCTS: Final = (
    ProductView(
        sku="cup",
        title="手作陶杯 Handmade cup",
        price_minor=6_800,
        currency="CNY",
        picture_url="/static/img/demo/cup.svg",
        link=f"{_AT_THE_SHOP}#cup",
    ),
    ProductView(
        sku="lamp",
        title="暖光床头灯 Bedside lamp",
        price_minor=12_900,
        currency="CNY",
        picture_url="/static/img/demo/lamp.svg",
        link=f"{_AT_THE_SHOP}#lamp",
    ),
)

log = get_log(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--viewers",
        type=_viewers,
        default=6,
        metavar="N",
        help=f"simulated viewers who chat and ask, 0-{MAX_VIEWERS} (default: 6)",
    )
    parser.add_argument(
        "--no-host", action="store_true", help="no synthetic host: go live yourself in the console"
    )


def set_up_logs(settings: Settings) -> None:
    """Warnings only, unless a level was asked for: the links are what a person reads here."""
    is_asked_for = "log_level" in settings.model_fields_set
    set_up_logging(settings.log_level if is_asked_for else "warning", settings.log_format)


async def run_demo(settings: Settings, args: argparse.Namespace) -> None:
    """Run until SIGINT, SIGTERM or the death of the store."""
    _say("starting the server and its store ...")
    async with running(settings) as server:
        closed = asyncio.create_task(server.wait_closed(), name="demo-closed")
        show = asyncio.create_task(_show(server, args), name="demo-show")
        try:
            await asyncio.wait((closed, show), return_when=asyncio.FIRST_COMPLETED)
        finally:
            tasks = (closed, show)
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
        _say("stopping ...")
    for end in ends:
        if isinstance(end, Exception):
            raise end


async def _show(server: RunningServer, args: argparse.Namespace) -> None:
    """The people of the demo, until cancelled."""
    await _stock(server)
    certificate = _own_certificate(server.settings)
    tls = Trust(pin=certificate).context() if certificate else None
    async with contextlib.AsyncExitStack() as stack:
        host = None if args.no_host else SyntheticHost(server, certificate)
        if host is not None:
            await stack.enter_async_context(host.child)
        group = await stack.enter_async_context(asyncio.TaskGroup())
        bots = make_bots(args.viewers, lambda user, name: _mint(server, user, name, "viewer"))
        group.create_task(
            chatter(server.socket_url, bots, rng=random.Random(SEED), tls=tls), name="demo-crowd"
        )
        if host is not None:
            group.create_task(host.stay_away_once_dismissed(), name="demo-host")
        has_picture = host is not None and await host.has_picture(tls)
        print(_links(server, has_picture=has_picture), flush=True)
        await asyncio.get_running_loop().create_future()


async def _stock(server: RunningServer) -> None:
    """Something to sell. What somebody pinned in an earlier run stays pinned."""
    claims = server.app[SIGNING].verify(_mint(server, "demo-shop", "", "staff"))
    shop = await server.app[DOORKEEPER].identity(claims)
    shelves = server.app[ROOMS].shelves
    for product in PRODUCTS:
        await shelves.put(shop, product)
    if (await shelves.view(shop.ref)).pinned is None:
        await shelves.pin(shop, PRODUCTS[0].sku)


class SyntheticHost:
    """A publisher in a process of its own: encoding must not disturb what it demonstrates."""

    def __init__(self, server: RunningServer, certificate: Path | None) -> None:
        self._server = server
        self._last_line = ""
        self._dismissed = asyncio.Event()
        whip = ("--whip", f"{server.url}/whip/{ROOM}")
        trust = ("--trust", str(certificate)) if certificate else ()
        self.child = Child(
            "synthetic-host",
            [sys.executable, "-m", "loadtest.publisher", *whip, *trust],
            env={**os.environ, TOKEN_VARIABLE: _mint(server, "host", "连麦小店", "host")},
            sink=self._take_line,
        )

    async def has_picture(self, tls: ssl.SSLContext | None) -> bool:
        """Wait for its picture as a viewer would; False when none came in time."""
        _say("waiting for the synthetic host's first picture ...")
        try:
            async with asyncio.timeout(PICTURE_WITHIN_S):
                await _see_picture(self._server, tls)
        except (TimeoutError, PeerError, RoomError, aiohttp.ClientError) as error:
            log.info("no_picture", error=str(error))
            _say(
                f"the synthetic host shows no picture after {PICTURE_WITHIN_S:.0f} s; it keeps "
                "trying. Chat and questions work meanwhile; `lianmai doctor` may know why"
            )
            return False
        return True

    async def stay_away_once_dismissed(self) -> None:
        """Who goes live in the console, or ends the show there, does not want it back."""
        await self._dismissed.wait()
        await self.child.stop()
        _say(
            "the synthetic host has left: you took its place, or ended the show."
            " Start the demo again to have it back"
        )

    def _take_line(self, line: str) -> None:
        """Its complaints are for the person; everything else it writes is for the log."""
        log.info("child_said", child="synthetic-host", line=line)
        if OVER in line:
            self._dismissed.set()
        elif line.startswith(COMPLAINT) and line != self._last_line:
            self._last_line = line
            _say(f"the synthetic host stopped and tries again: {line.removeprefix(COMPLAINT)}")


async def _see_picture(server: RunningServer, tls: ssl.SSLContext | None) -> None:
    """The stage names a camera, and packets of it arrive. (After a crash the stage remembers the
    camera of the run before: only packets prove a picture.)"""
    token = _mint(server, "demo-start", "", "staff")
    async with RoomClient(server.socket_url, token, tls=tls) as watcher:
        await wait_camera(watcher)
    connector = aiohttp.TCPConnector(ssl=tls or True)
    async with aiohttp.ClientSession(server.url, connector=connector) as http:
        peer = LightPeer("recvonly", audio=0, video=1)
        try:
            await peer.connect(http, f"/whep/{ROOM}", token, timeout_s=PICTURE_WITHIN_S)
            await peer.receiving.wait()
        finally:
            await peer.close(http, token)


def _own_certificate(settings: Settings) -> Path | None:
    """What the people of the demo trust: this very server, whoever signed its certificate (they
    come by 127.0.0.1, which a certificate for a public name does not have)."""
    match settings.tls.mode:
        case "off":
            return None
        case "auto":
            return ca_certificate_path(settings)
        case "files":
            return settings.tls.cert


def _mint(server: RunningServer, user: str, name: str, role: Role) -> str:
    return server.mint(DEFAULT_SHOP, ROOM, user, name, role, TOKEN_TTL_S)


def _links(server: RunningServer, *, has_picture: bool) -> str:
    viewer = _mint(server, "viewer-1", "看客一", "viewer")
    second = _mint(server, "viewer-2", "看客二", "viewer")
    host = _mint(server, "host", "连麦小店", "host")
    staff = _mint(server, "staff-1", "小助理", "staff")
    if has_picture:
        title = "lianmai demo is live  连麦演示已开播"
        hint = (
            'To be the host yourself: lianmai demo --no-host, then "Go live" in the host console.'
        )
    else:
        title = "lianmai demo is ready, not live yet  连麦演示已就绪，尚未开播"
        hint = 'Press "Go live" in the host console.  在主播台点「开播」。'
    links = [
        ("Viewer", "观众", f"/room/{ROOM}#token={viewer}"),
        ("Second viewer", "观众二", f"/room/{ROOM}#token={second}"),
        ("Host console", "主播台", f"/console/{ROOM}#token={host}"),
        ("Staff console", "助理台", f"/console/{ROOM}#token={staff}"),
        ("All rooms", "大厅", "/"),
    ]
    # Each on a line of its own: they are longer than a terminal is wide, and must stay whole.
    lines = [f"  {english} {chinese}\n{server.url}{path}\n" for english, chinese, path in links]
    return "\n".join(
        ["", f"  {title}", "", *lines, *_phone_lines(server), f"  {hint}", f"  {_END}", ""]
    )


def _phone_lines(server: RunningServer) -> list[str]:
    """Where phones on this network begin: only HTTPS gives them a camera."""
    settings = server.settings
    if settings.tls.mode != "auto":
        return []
    addresses = [text for text in media_addresses(settings) if ":" not in text]
    return [
        f"  Phone 手机\nhttps://{address}:{server.port}/guide/phone\n"
        for address in addresses
        if not address.startswith("127.")
    ]


def _viewers(text: str) -> int:
    if not text.isdecimal() or int(text) > MAX_VIEWERS:
        raise argparse.ArgumentTypeError(f"{text!r}: give 0 to {MAX_VIEWERS}")
    return int(text)


def _say(text: str) -> None:
    """Progress and trouble, beside the links on standard output."""
    print(f"lianmai demo: {text}", file=sys.stderr, flush=True)

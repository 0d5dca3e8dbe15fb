"""`lianmai serve`: the whole program in one place, from first start to last socket closed.

`running(settings)` is the program as a value: the command line, the demo and the tests all run
this and nothing else.
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from media.garbage import settle_garbage
from server.app import create_app, create_internal_app, media_addresses, projector_child
from server.app_keys import HEALTH, MEDIA, SETTINGS, SIGNING, STORE, TLS
from server.errors import UserError
from server.logs import get_log
from server.settings import Settings
from server.signing import make_claims
from server.store import open_store
from signaling.ids import RoomId, ShopId
from signaling.views import Role

STOP_WITHIN_S: Final = 10.0
"""Service managers kill after 10 s or more; what has not stopped by then is cut off."""
_HANDLERS_WITHIN_S: Final = 3.0
"""How long running requests may still take once every socket was told to go."""

log = get_log(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningServer:
    """The program while it runs."""

    app: web.Application
    url: str
    """Where this machine itself reaches it, without a slash at the end."""
    port: int
    udp_ports: tuple[int, ...]
    """The media port; with media workers one for each."""

    @property
    def udp_port(self) -> int:
        return self.udp_ports[0]

    @property
    def settings(self) -> Settings:
        return self.app[SETTINGS]

    @property
    def socket_url(self) -> str:
        return f"{self.url.replace('http', 'ws', 1)}/ws"

    def mint(
        self, shop: ShopId, room: RoomId, user: str, name: str, role: Role, ttl_s: float
    ) -> str:
        """A token with the preset grants of `role`."""
        claims = make_claims(
            shop=shop, room=room, user=user, name=name, role=role, now=time.time(), ttl_s=ttl_s
        )
        return self.app[SIGNING].mint(claims)

    async def wait_closed(self) -> None:
        """Until SIGTERM or SIGINT; a second one ends the process at once.

        Raises `UserError` when the store dies: nothing can be promised without it.
        """
        died = self.app[STORE].died
        await _stop_signal_or(died)
        if died.done():
            raise UserError(f"the store ended ({died.result()}); the server stops")


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[RunningServer]:
    """Start everything, yield when it answers, stop everything within `STOP_WITHIN_S`.

    Raises `UserError` for what the operator can mend: a port in use, a locked data folder.
    """
    app = create_app(settings)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_HANDLERS_WITHIN_S)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(_stop, runner)
        await runner.setup()
        tls = app[TLS]
        context = tls.context if tls is not None else None
        port = await _listen(runner, settings.host, settings.port, "port", context)
        if settings.internal_port is not None:
            internal = web.AppRunner(create_internal_app(app), access_log=None)
            stack.push_async_callback(internal.cleanup)
            await internal.setup()
            await _listen(internal, "127.0.0.1", settings.internal_port, "internal-port", None)
        scheme = "http" if context is None else "https"
        yield RunningServer(
            app=app,
            url=f"{scheme}://{_own_host(settings.host)}:{port}",
            port=port,
            udp_ports=app[MEDIA].ports,
        )
        app[HEALTH].is_draining = True


async def run(settings: Settings) -> int:
    """Serve until told to stop; returns the exit code. The caller runs it on uvloop."""
    if settings.projector == "only":
        return await _project_only(settings)
    async with running(settings) as server:
        settle_garbage()
        print(_banner(server), flush=True)
        await server.wait_closed()
        log.info("stopping")
    return 0


async def _project_only(settings: Settings) -> int:
    """The projector of a store that other machines serve."""
    async with open_store(settings) as store, projector_child(store) as child:
        print(f"projecting events of {store.describe()}", flush=True)
        await _stop_signal_or(child.died)
    return 0


async def _listen(
    runner: web.AppRunner, host: str, port: int, flag: str, context: ssl.SSLContext | None
) -> int:
    """Bind and return the port really taken."""
    try:
        site: web.BaseSite
        if host == "::":  # which an event loop opens for IPv6 alone, unlike the media port
            opened = socket.create_server(
                (host, port), family=socket.AF_INET6, backlog=1024, dualstack_ipv6=True
            )
            site = web.SockSite(runner, opened, ssl_context=context, backlog=1024)
        else:
            site = web.TCPSite(runner, host, port, ssl_context=context, backlog=1024)
        await site.start()
    except OSError as error:
        if error.errno in (errno.EADDRINUSE, errno.EACCES, errno.EADDRNOTAVAIL):
            reason = os.strerror(error.errno).lower()
            raise UserError(f"cannot listen on {host}:{port}: {reason}; see --{flag}") from error
        raise
    bound: int = runner.addresses[-1][1]
    return bound


async def _stop(runner: web.AppRunner) -> None:
    """Close in order (aiohttp's shutdown, then `cleanup_ctx` backwards), but not for ever."""
    try:
        async with asyncio.timeout(STOP_WITHIN_S):
            await runner.cleanup()
    except TimeoutError:
        log.error("stop_timed_out", limit_s=STOP_WITHIN_S)


async def _stop_signal_or(died: asyncio.Future[int]) -> None:
    """Wait for a signal to stop, or for a child that we cannot do without."""
    stopped = asyncio.create_task(_stop_signal(), name="stop-signal")
    waiting: tuple[asyncio.Future[Any], ...] = (stopped, died)
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()


async def _stop_signal() -> None:
    """Wait for SIGTERM or SIGINT. The handlers stay: the next one ends the process at once."""
    loop = asyncio.get_running_loop()
    first = asyncio.Event()

    def heard(number: int) -> None:
        if first.is_set():
            os._exit(128 + number)
        first.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, heard, number)
    await first.wait()


def _own_host(host: str) -> str:
    """An address this machine reaches itself by when it listens on `host`."""
    if host in ("", "0.0.0.0", "::"):
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _banner(server: RunningServer) -> str:
    """What a person wants to know once the server is ready."""
    settings = server.settings
    scheme = server.url.partition(":")[0]
    addresses = media_addresses(settings)
    others = "".join(
        f"\n           {scheme}://{address}:{server.port}/"
        for address in addresses
        if f"//{address}:" not in server.url and ":" not in address
    )
    media = "UDP and TCP port" if settings.media_tcp else "UDP port"
    if settings.media_workers:
        workers = "1 worker" if settings.media_workers == 1 else f"{settings.media_workers} workers"
        media = f"{workers}, {media}{'' if settings.media_workers == 1 else 's'}"
    ports = ", ".join(map(str, server.udp_ports))
    return (
        f"lianmai is ready\n"
        f"  pages    {server.url}/{others if settings.host in ('0.0.0.0', '::') else ''}\n"
        f"  media    {media} {ports} on {', '.join(addresses)}\n"
        f"  store    {server.app[STORE].describe()}"
    )

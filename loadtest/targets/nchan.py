"""Nchan, the publish/subscribe module of nginx, as a target for chat: a channel for each room,
WebSocket subscribers, publishers by HTTP POST.

What is published is what our own room would deliver for the same text, so that both servers move
the same bytes. Our room puts what is said within 50 ms into one frame; with `batch_ms` the
publishers do the same here, since Nchan delivers what it is given as it is.
"""

from __future__ import annotations

import contextlib
import os
import re
import resource
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import aiohttp

from loadtest.rtc.light_peer import LightPeer, SocketFactory
from loadtest.targets.nchan_config import config
from loadtest.targets.nchan_publisher import Publisher
from loadtest.targets.nchan_socket import NchanSocket
from loadtest.targets.program import answers, folder_of, free_port, running
from loadtest.targets.target import (
    Capability,
    Encoding,
    MediaSession,
    Member,
    OnDelay,
    Refused,
    TargetError,
    TargetInfo,
)

MODULE: Final = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
NOT_INSTALLED: Final = "nchan is not installed: apt-get install nginx libnginx-mod-nchan"
MAX_POSTS: Final = 64
"""HTTP connections of all publishers together."""


class NchanTarget:
    """A private nginx with Nchan, and the rooms in it."""

    name = "nchan"
    capabilities = frozenset({Capability.CHAT})

    def __init__(
        self,
        *,
        workers: int | None = 1,
        batch_ms: int | None = None,
        host: str = "127.0.0.1",
        prefix: Sequence[str] = (),
    ) -> None:
        """`workers` of nginx (None: one a core). `batch_ms`: publishers bundle what is said within
        so many milliseconds into one POST (None: a POST for each message). `host` is the address
        that nginx binds and we reach, `prefix` runs it elsewhere (`ip netns exec NAME`)."""
        self._workers = "auto" if workers is None else str(workers)
        self._batch_ms = batch_ms
        self._host = host
        self._prefix = tuple(prefix)
        self._url = ""
        self._pid: int | None = None
        self._version = ""
        self._http: aiohttp.ClientSession | None = None
        self._publishers: dict[str, Publisher] = {}
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Start nginx. Raises `TargetError`."""
        nginx = nginx_program()
        try:
            await self._start(nginx)
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        for publisher in self._publishers.values():
            await publisher.close()
        self._publishers.clear()
        self._pid = None
        await self._stack.aclose()

    def info(self) -> TargetInfo:
        batch = "a POST for each message" if self._batch_ms is None else f"{self._batch_ms} ms"
        return TargetInfo(
            name=self.name,
            url=self._url,
            version=self._version,
            settings=f"worker_processes {self._workers}; batch: {batch}",
        )

    def server_pids(self) -> Sequence[int]:
        """The master; its workers are its children."""
        return () if self._pid is None else (self._pid,)

    async def publish(self, peer: LightPeer, who: Member) -> MediaSession:
        raise Refused("unsupported", "Nchan has no media")

    async def watch(self, peer: LightPeer, who: Member) -> MediaSession:
        raise Refused("unsupported", "Nchan has no media")

    async def open_socket(
        self,
        who: Member,
        *,
        encoding: Encoding = "json",
        on_delay: OnDelay | None = None,
        manages: bool = False,
        tcp: SocketFactory | None = None,
        host: str | None = None,
    ) -> NchanSocket:
        """Subscribe to the room's channel. There is one encoding, and nothing to manage."""
        assert self._http is not None, "enter the target first"
        publisher = self._publishers.get(who.room)
        if publisher is None:
            publisher = Publisher(self._http, self._url, who.room, self._batch_ms)
            self._publishers[who.room] = publisher
        return await NchanSocket.connect(
            self._url, who, publisher, on_delay=on_delay, tcp=tcp, host=host
        )

    async def _start(self, nginx: str) -> None:
        folder = self._stack.enter_context(folder_of("nchan"))
        port = free_port()
        authority = f"[{self._host}]" if ":" in self._host else self._host
        self._url = f"http://{authority}:{port}"
        path = folder / "nginx.conf"
        path.write_text(
            config(
                folder,
                module=MODULE,
                host=self._host,
                port=port,
                workers=self._workers,
                files=_files_allowed(),
            )
        )
        http = await self._stack.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=MAX_POSTS))
        )
        self._pid = await self._stack.enter_async_context(
            running(
                "nginx",
                [nginx, "-e", "stderr", "-c", str(path)],
                lambda: answers(http, f"{self._url}/status"),
                log=folder / "nginx.log",
                prefix=self._prefix,
            )
        )
        self._http = http
        self._version = await _version(http, f"{self._url}/status")


def nginx_program() -> str:
    """Where nginx is, when Nchan is, too; else raises `TargetError`."""
    # Not every PATH has /usr/sbin, where Debian keeps it.
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
    found = shutil.which("nginx", path=path)
    if found is None or not MODULE.exists():
        raise TargetError(NOT_INSTALLED)
    return found


def _files_allowed() -> int:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if most == resource.RLIM_INFINITY else most


async def _version(http: aiohttp.ClientSession, status_url: str) -> str:
    async with http.get(status_url) as response:
        version = re.search(r"nchan version: (\S+)", await response.text())
        server = response.headers.get("Server", "nginx")
    return f"nchan {version[1] if version else 'of unknown version'}, {server}"

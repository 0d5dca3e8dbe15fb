"""Our own server: media by WHIP and WHEP, messages by the room socket."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote, urlsplit, urlunsplit

import aiohttp

from loadtest.rtc.light_peer import LightPeer, SocketFactory
from loadtest.sockets.lianmai_socket import LianmaiSocket
from loadtest.sockets.shared import Shared
from loadtest.targets.http import crowd_session, ensure_reachable, tls_of
from loadtest.targets.isolation import isolated
from loadtest.targets.program import serving
from loadtest.targets.target import (
    Capability,
    Encoding,
    Member,
    OnDelay,
    Refused,
    TargetError,
    TargetInfo,
)
from loadtest.targets.tokens import Mint
from loadtest.targets.url_template import UrlTemplate
from loadtest.targets.whip_session import WhipSession
from loadtest.trust import OF_THIS_MACHINE, Trust

QUIET: Final = {"LIANMAI_LOG_LEVEL": "warning"}
ALL: Final = frozenset(Capability)
CHAT_PER_S: Final = 2.0
CHAT_BURST: Final = 5
ASK_PER_MIN: Final = 10.0
"""What the product grants each person by default (docs/settings.md)."""
HEADROOM: Final = 4
"""Who speaks next is drawn: one person's turns come in bunches."""
_ON_AIR: Final = frozenset({"already_live", "source_taken"})


def settings_for_rates(*, chat_per_person_s: float, ask_per_person_s: float) -> dict[str, str]:
    """Room limits that do not refuse these rates; empty while the product's own grant them."""
    chat = chat_per_person_s * HEADROOM
    ask_per_min = ask_per_person_s * HEADROOM * 60
    settings: dict[str, str] = {}
    if chat > CHAT_PER_S:
        settings["LIANMAI_ROOM_CHAT_PER_S"] = f"{chat:g}"
        settings["LIANMAI_ROOM_CHAT_BURST"] = str(max(CHAT_BURST, round(chat)))
    if ask_per_min > ASK_PER_MIN:
        settings["LIANMAI_ROOM_ASK_PER_MIN"] = f"{ask_per_min:g}"
    return settings


class LianmaiTarget:
    """A private server, or one that runs already."""

    capabilities: frozenset[Capability] = ALL

    def __init__(
        self,
        url: str | None = None,
        *,
        mint: Mint | None = None,
        trust: Trust | None = OF_THIS_MACHINE,
        settings: Mapping[str, str] | None = None,
        is_behind_veth: bool = False,
        addresses: Sequence[str] = (),
        name: str = "lianmai",
    ) -> None:
        """`url` with `mint`: that server, with tokens it believes. Without: `lianmai serve` is
        started with `settings` (LIANMAI_* variables) and our own key; `is_behind_veth` puts it
        into a network namespace, as peers are that cannot be measured on loopback, and
        `addresses` are those of this machine where it must be reached beside loopback. `trust`
        None believes any certificate. Raises `TargetError` for a mixture of both."""
        if url is not None and mint is None:
            raise TargetError(f"{url} needs tokens: give --api-key and --api-secret, or --token")
        if url is not None and (settings or is_behind_veth):
            raise TargetError(f"{url} runs already: settings and veth are for a private server")
        if is_behind_veth and addresses:
            raise TargetError("networks of a scenario do not reach a server behind veth: leave it")
        self.name = name
        self._url = "" if url is None else url.rstrip("/")
        self._given = None if url is None else UrlTemplate(self._url)
        self._mint = mint
        self._trust = trust
        self._tls: ssl.SSLContext | None = None
        self._settings = {**QUIET, **(settings or {})}
        self._is_behind_veth = is_behind_veth
        self._addresses = tuple(addresses)
        self._stack = contextlib.AsyncExitStack()
        self._http: aiohttp.ClientSession | None = None
        self._pids: tuple[int, ...] = ()
        self._version = ""
        self._shared = Shared()

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            if self._given is None:
                await self._start(stack)
            else:
                await ensure_reachable(self._url, self._given.host, self._given.port)
            self._tls = tls_of(self._trust)
            self._http = await stack.enter_async_context(crowd_session(self._tls))
            self._version = await _version(self._http, self._url)
            self._stack = stack.pop_all()
        return self

    async def _start(self, stack: contextlib.AsyncExitStack) -> None:
        settings = dict(self._settings)
        if self._is_behind_veth:
            link = await stack.enter_async_context(isolated(self.name))
            server = serving(settings, host=link.inside_address, prefix=link.namespace.prefix())
        elif self._addresses:
            settings["LIANMAI_PUBLIC_IP"] = ",".join(("127.0.0.1", *self._addresses))
            server = serving(settings, host="0.0.0.0")
        else:
            server = serving(settings)
        program = await stack.enter_async_context(server)
        self._url, self._pids, self._mint = program.url, (program.pid,), program.key.mint

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    def info(self) -> TargetInfo:
        if self._given is not None:
            return TargetInfo(self.name, self._url, self._version)
        settings = ", ".join(f"{name}={value}" for name, value in self._settings.items())
        where = "in a network namespace behind a veth pair" if self._is_behind_veth else "loopback"
        return TargetInfo(self.name, self._url, self._version, f"{settings}; {where}")

    def server_pids(self) -> Sequence[int]:
        return self._pids

    async def publish(self, peer: LightPeer, who: Member) -> WhipSession:
        """Also starts the show, when it is the host."""
        return await self._join("whip", peer, who)

    async def watch(self, peer: LightPeer, who: Member) -> WhipSession:
        return await self._join("whep", peer, who)

    async def open_socket(
        self,
        who: Member,
        *,
        encoding: Encoding = "json",
        on_delay: OnDelay | None = None,
        manages: bool = False,
        tcp: SocketFactory | None = None,
        host: str | None = None,
    ) -> LianmaiSocket:
        """The host's first socket starts the show, unless it is on the air."""
        socket = await LianmaiSocket.connect(
            self._socket_url(host),
            self._token(who),
            encoding=encoding,
            on_delay=on_delay,
            manages=manages,
            tcp=tcp,
            tls=self._tls,
            shared=self._shared,
        )
        if who.role == "host":
            try:
                await self._start_show(socket)
            except BaseException:
                await socket.close()
                raise
        return socket

    async def _start_show(self, socket: LianmaiSocket) -> None:
        try:
            await socket.request("start_show")
        except Refused as refused:
            if refused.code not in _ON_AIR:
                raise

    async def _join(self, protocol: str, peer: LightPeer, who: Member) -> WhipSession:
        assert self._http is not None, "enter the context first"
        url = f"{self._url}/{protocol}/{quote(who.room, safe='')}"
        return await WhipSession.join(self._http, url, self._token(who), peer)

    def _token(self, who: Member) -> str:
        assert self._mint is not None, "enter the context first"
        return self._mint(who.room, who.user, who.role)

    def _socket_url(self, host: str | None) -> str:
        parts = urlsplit(self._url)
        netloc = parts.netloc
        if host is not None:
            netloc = host if parts.port is None else f"{host}:{parts.port}"
        scheme = "wss" if parts.scheme == "https" else "ws"
        return urlunsplit((scheme, netloc, f"{parts.path}/ws", "", ""))


async def _version(http: aiohttp.ClientSession, url: str) -> str:
    """As its API description says; empty when a server hides that."""
    try:
        async with http.get(f"{url}/api/v1/openapi.json") as response:
            if response.status != 200:
                return ""
            return str((await response.json())["info"]["version"])
    except (aiohttp.ClientError, TimeoutError, KeyError, TypeError, ValueError):
        return ""

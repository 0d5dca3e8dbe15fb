"""Any server that speaks WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep): media, nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

import aiohttp

from loadtest.rtc.light_peer import LightPeer
from loadtest.targets.http import crowd_session, ensure_reachable, tls_of
from loadtest.targets.media_only import MediaOnly
from loadtest.targets.target import Member, TargetError, TargetInfo
from loadtest.targets.tokens import Mint
from loadtest.targets.url_template import UrlTemplate
from loadtest.targets.whip_session import WhipSession
from loadtest.trust import OF_THIS_MACHINE, Trust


class WhipTarget(MediaOnly):
    """A server that runs elsewhere, by the addresses of its endpoints."""

    def __init__(
        self,
        whip: str | None,
        whep: str | None,
        *,
        token: str | Mint | None = None,
        trust: Trust | None = OF_THIS_MACHINE,
        name: str = "whip",
    ) -> None:
        """`whip`, `whep`: with `{room}` and `{user}` where those belong; None: nobody may publish
        (watch). `token`: one for all, or how to make each person's; None: no Authorization.
        `trust` None believes any certificate. Raises `TargetError` for addresses that are none."""
        if whip is None and whep is None:
            raise TargetError("give a WHIP address, a WHEP address, or both")
        self.name = name
        self._whip = None if whip is None else UrlTemplate(whip)
        self._whep = None if whep is None else UrlTemplate(whep)
        self._token = token
        self._trust = trust
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        for template in (self._whip, self._whep):
            if template is not None:
                await ensure_reachable(template.text, template.host, template.port)
        self._http = crowd_session(tls_of(self._trust))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if self._http is not None:
            await self._http.close()

    def info(self) -> TargetInfo:
        shown = [t.text for t in (self._whip, self._whep) if t is not None]
        return TargetInfo(self.name, " ".join(shown))

    def server_pids(self) -> Sequence[int]:
        return ()

    async def publish(self, peer: LightPeer, who: Member) -> WhipSession:
        return await self._join(self._whip, "WHIP", peer, who)

    async def watch(self, peer: LightPeer, who: Member) -> WhipSession:
        return await self._join(self._whep, "WHEP", peer, who)

    async def _join(
        self, template: UrlTemplate | None, protocol: str, peer: LightPeer, who: Member
    ) -> WhipSession:
        if template is None:
            raise TargetError(f"{self.name} was given no {protocol} address")
        assert self._http is not None, "enter the context first"
        url = template.fill(room=who.room, user=who.user)
        return await WhipSession.join(self._http, url, self._token_of(who), peer)

    def _token_of(self, who: Member) -> str | None:
        if self._token is None or isinstance(self._token, str):
            return self._token
        return self._token(who.room, who.user, who.role)

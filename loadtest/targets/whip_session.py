"""A WHIP or WHEP session as the crowd has it: refusals by code, an end that never raises."""

from __future__ import annotations

import contextlib
from typing import Self

import aiohttp

from loadtest.rtc.errors import PeerError
from loadtest.rtc.light_peer import LightPeer
from loadtest.rtc.whip import end, negotiate
from loadtest.targets.target import Refused


class WhipSession:
    """A connected peer and the session's address."""

    def __init__(
        self, http: aiohttp.ClientSession, url: str, token: str | None, peer: LightPeer
    ) -> None:
        self._http = http
        self._url: str | None = url
        self._token = token
        self._peer = peer

    @classmethod
    async def join(
        cls, http: aiohttp.ClientSession, url: str, token: str | None, peer: LightPeer
    ) -> Self:
        """Negotiate and connect. Raises `Refused` for an HTTP answer that is a refusal, else
        `PeerError`, `TimeoutError`, `OSError`; leaves no session behind then."""
        try:
            session_url = await negotiate(http, url, token, peer)
        except PeerError as error:
            if error.status is None:
                raise
            raise Refused(f"http_{error.status}", str(error), error.retry_after_s) from error
        session = cls(http, session_url, token, peer)
        try:
            await peer.establish()
        except BaseException:
            await session.close()
            raise
        return session

    async def close(self) -> None:
        url, self._url = self._url, None
        try:
            if url and not self._http.closed:
                with contextlib.suppress(aiohttp.ClientError, PeerError, TimeoutError, OSError):
                    await end(self._http, url, self._token)
        finally:
            await self._peer.close()

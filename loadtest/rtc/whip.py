"""WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep): one POST that trades SDP, one DELETE."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from typing import Final, Protocol
from urllib.parse import urljoin, urlsplit

import aiohttp

from loadtest.rtc.errors import PeerError, quoted

SDP: Final = "application/sdp"
END_WITHIN_S: Final = 5.0


class Negotiable(Protocol):
    """What it needs of a peer."""

    def offer(self, toward: str | None = None) -> str: ...

    def accept(self, answer: str) -> None: ...

    def answer(self, offer: str) -> str: ...


async def negotiate(
    http: aiohttp.ClientSession, url: str, token: str | None, peer: Negotiable
) -> str:
    """POST the peer's offer and have it accept the answer. Returns the session's absolute URL,
    for `end`. Raises `PeerError`, with `status` for a refusal.

    A WHEP server may turn the offer down with one of its own (406, the draft's counter-offer):
    the peer's answer to that goes back by PATCH.
    """
    headers = _authorization(token) | {"Content-Type": SDP, "Accept": SDP}
    offer = peer.offer(await _address_of(url))
    try:
        async with http.post(url, data=offer, headers=headers) as response:
            body = await response.text()
            location = response.headers.get("Location", "")
            session = urljoin(str(response.url), location) if location else ""
            if response.status == 406 and response.content_type == SDP and session:
                await _take_counter_offer(http, session, token, peer.answer(body))
                return session
            if response.status != 201:
                raise _refusal(f"{url} answered", response, body)
            try:
                peer.accept(body)
            except PeerError:
                await end(http, session, token)
                raise
            return session
    except aiohttp.ClientError as error:
        raise PeerError(f"cannot reach {url}: {error}") from error


async def _take_counter_offer(
    http: aiohttp.ClientSession, session: str, token: str | None, answer: str
) -> None:
    headers = _authorization(token) | {"Content-Type": SDP}
    async with http.patch(session, data=answer, headers=headers) as response:
        if response.status not in (200, 204):
            body = await response.text()
            raise _refusal(f"{session} answered our answer with", response, body)


def _refusal(who: str, response: aiohttp.ClientResponse, body: str) -> PeerError:
    retry = response.headers.get("Retry-After", "")
    return PeerError(
        f"{who} {response.status}: {quoted(body)}",
        status=response.status,
        retry_after_s=float(retry) if retry.isdecimal() else None,
    )


async def end(http: aiohttp.ClientSession, session_url: str, token: str | None) -> None:
    """DELETE the session. A server that is gone, or has forgotten it, is no error."""
    with contextlib.suppress(aiohttp.ClientError, TimeoutError):
        async with asyncio.timeout(END_WITHIN_S):
            async with http.delete(session_url, headers=_authorization(token)):
                return


def _authorization(token: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


async def _address_of(url: str) -> str | None:
    """The IPv4 address of the server, to choose our own by; None when it is not known."""
    host = urlsplit(url).hostname
    if host is None:
        return None
    with contextlib.suppress(ValueError):
        return str(ipaddress.IPv4Address(host))
    try:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, None, family=socket.AF_INET, type=socket.SOCK_DGRAM)
    except OSError:
        return None  # the POST says what is wrong
    return str(found[0][4][0])

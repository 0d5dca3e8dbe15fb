"""WHIP and WHEP against a small real HTTP server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web

from loadtest.rtc.errors import PeerError
from loadtest.rtc.whip import end, negotiate

Handler = Callable[[web.Request], Awaitable[web.Response]]


@dataclass
class Peer:
    """Stands where a light peer does."""

    toward: list[str | None] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)
    offers: list[str] = field(default_factory=list)

    def offer(self, toward: str | None = None) -> str:
        self.toward.append(toward)
        return "our offer"

    def accept(self, answer: str) -> None:
        self.accepted.append(answer)

    def answer(self, offer: str) -> str:
        self.offers.append(offer)
        return "our answer"


@contextlib.asynccontextmanager
async def serving(**handlers: Handler) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    """(client, URL) of a server that answers /whip by POST, and /session by PATCH and DELETE."""
    app = web.Application()
    for method, handler in handlers.items():
        path = "/whip" if method == "post" else "/session"
        app.router.add_route(method.upper(), path, handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        async with aiohttp.ClientSession() as http:
            yield http, f"http://127.0.0.1:{port}/whip"
    finally:
        await runner.cleanup()


async def test_sdp_is_traded_and_the_session_named() -> None:
    seen: list[tuple[str, str, str | None]] = []
    ended = asyncio.Event()

    async def post(request: web.Request) -> web.Response:
        seen.append(
            (await request.text(), request.content_type, request.headers.get("Authorization"))
        )
        return web.Response(status=201, text="their answer", headers={"Location": "/session"})

    async def delete(request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bearer token"
        ended.set()
        return web.Response()

    async with serving(post=post, delete=delete) as (http, url):
        peer = Peer()
        session = await negotiate(http, url, "token", peer)
        assert session == url.replace("/whip", "/session")
        assert peer.accepted == ["their answer"]
        assert peer.toward == ["127.0.0.1"]
        assert seen == [("our offer", "application/sdp", "Bearer token")]
        await end(http, session, "token")
        assert ended.is_set()
        await negotiate(http, url.replace("127.0.0.1", "localhost"), None, peer)
        assert seen[1][2] is None
        assert peer.toward[1] == "127.0.0.1"


async def test_a_refusal_has_its_status_and_one_line() -> None:
    async def post(request: web.Request) -> web.Response:
        return web.Response(status=503, text="too\nmany " + "x" * 500, headers={"Retry-After": "7"})

    async with serving(post=post) as (http, url):
        with pytest.raises(PeerError) as refusal:
            await negotiate(http, url, "", Peer())
    message = str(refusal.value)
    assert message.startswith(f"{url} answered 503: too many xxx")
    assert len(message) < 300
    assert "\n" not in message
    assert (refusal.value.status, refusal.value.retry_after_s) == (503, 7.0)


async def test_a_counter_offer_is_answered() -> None:
    answers: list[str] = []

    async def post(request: web.Request) -> web.Response:
        return web.Response(
            status=406,
            text="their offer",
            content_type="application/sdp",
            headers={"Location": "/session"},
        )

    async def patch(request: web.Request) -> web.Response:
        answers.append(await request.text())
        return web.Response(status=204 if len(answers) == 1 else 422, text=None)

    async with serving(post=post, patch=patch) as (http, url):
        peer = Peer()
        await negotiate(http, url, "", peer)
        assert (peer.offers, answers, peer.accepted) == (["their offer"], ["our answer"], [])
        with pytest.raises(PeerError, match="answered our answer with 422") as refusal:
            await negotiate(http, url, "", peer)
        assert refusal.value.status == 422


async def test_a_server_that_is_not_there() -> None:
    async with serving() as (http, url):
        pass
    async with aiohttp.ClientSession() as http:
        with pytest.raises(PeerError, match="cannot reach"):
            await negotiate(http, url, "", Peer())
        await end(http, url, "")


async def test_a_session_that_is_forgotten_ends_without_an_error() -> None:
    deleted = asyncio.Event()

    async def delete(request: web.Request) -> web.Response:
        deleted.set()
        return web.Response(status=404)

    async with serving(delete=delete) as (http, url):
        await end(http, url.replace("/whip", "/session"), "")
    assert deleted.is_set()

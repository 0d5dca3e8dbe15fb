"""Any WHIP and WHEP server; here it is ours, reached as a stranger would."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from loadtest.rtc.light_peer import LightPeer, PeerError
from loadtest.targets.program import Program, serving, unguessable
from loadtest.targets.target import Member, Refused, TargetError
from loadtest.targets.whip import WhipTarget
from tests.unit.loadtest.targets.crowds import publishing, receives

SETTINGS = {"LIANMAI_LOG_LEVEL": "warning", "LIANMAI_PROJECTOR": "off"}


@pytest_asyncio.fixture
async def program() -> AsyncIterator[Program]:
    async with serving(SETTINGS) as running:
        yield running


def target(program: Program, **options: str) -> WhipTarget:
    whip, whep = f"{program.url}/whip/{{room}}", f"{program.url}/whep/{{room}}"
    return WhipTarget(options.get("whip", whip), options.get("whep", whep), token=program.token)


@contextlib.asynccontextmanager
async def peer_of(direction: str) -> AsyncIterator[LightPeer]:
    peer = LightPeer("sendonly" if direction == "sendonly" else "recvonly")
    try:
        yield peer
    finally:
        await peer.close()


@contextlib.asynccontextmanager
async def stranger(*routes: web.AbstractRouteDef) -> AsyncIterator[str]:
    """A server of another make; yields its address."""
    app = web.Application()
    app.add_routes(routes)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def peers_of(program: Program) -> float:
    """Media transports, as the server's metrics count them."""
    async with aiohttp.ClientSession() as http, http.get(f"{program.url}/metrics") as response:
        lines = (await response.text()).splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("lianmai_peers "))


async def test_one_publishes_and_others_watch(program: Program) -> None:
    room = unguessable()
    async with contextlib.AsyncExitStack() as stack:
        whip = await stack.enter_async_context(target(program))
        source = await stack.enter_async_context(peer_of("sendonly"))
        stack.push_async_callback((await whip.publish(source, Member(room, "h", "host"))).close)
        await stack.enter_async_context(publishing(source))
        for number in range(2):
            peer = await stack.enter_async_context(peer_of("recvonly"))
            session = await whip.watch(peer, Member(room, f"v{number}", "viewer"))
            stack.push_async_callback(session.close)
            await receives(peer, 60)
        assert whip.server_pids() == ()
        assert whip.info().url == f"{program.url}/whip/{{room}} {program.url}/whep/{{room}}"


async def test_a_refusal_has_a_code_without_names(program: Program) -> None:
    viewer = Member(unguessable(), "v", "viewer")
    async with target(program) as whip:
        async with peer_of("recvonly") as peer:
            with pytest.raises(Refused, match="not live") as not_live:
                await whip.watch(peer, viewer)
        async with peer_of("sendonly") as peer:
            with pytest.raises(Refused) as forbidden:
                await whip.publish(peer, viewer)
    assert not_live.value.code == "http_409"
    assert not_live.value.retry_after_s is not None, "it says when to come back"
    assert forbidden.value.code == "http_403"
    wrong = WhipTarget(f"{program.url}/whip/{{room}}", None, token="no token")
    async with wrong, peer_of("sendonly") as peer:
        with pytest.raises(Refused) as unknown:
            await wrong.publish(peer, viewer)
    assert unknown.value.code == "http_401"


async def test_closing_ends_the_session_and_never_raises(program: Program) -> None:
    host = Member(unguessable(), "h", "host")
    async with target(program) as whip, peer_of("sendonly") as peer:
        session = await whip.publish(peer, host)
        assert await peers_of(program) == 1
        await session.close()
        assert await peers_of(program) == 0
        await session.close()
        async with peer_of("sendonly") as again:
            left_open = await whip.publish(again, host)
    await left_open.close()  # its target is left already


class CutOff(LightPeer):
    """Behind a network that lets no UDP through; saves the ten seconds of finding out."""

    async def establish(self, *, timeout_s: float = 10) -> None:
        raise PeerError("no answer to ICE checks")


async def test_a_peer_that_does_not_connect_leaves_no_session(program: Program) -> None:
    async with target(program) as whip:
        peer = CutOff("sendonly")
        with pytest.raises(PeerError, match="no answer to ICE checks"):
            await whip.publish(peer, Member(unguessable(), "h", "host"))
        assert await peers_of(program) == 0


async def test_a_redirect_is_followed(program: Program) -> None:
    room = unguessable()

    async def elsewhere(request: web.Request) -> web.Response:
        headers = {"Location": f"{program.url}/whep/{request.match_info['room']}"}
        return web.Response(status=307, headers=headers)

    async with contextlib.AsyncExitStack() as stack:
        url = await stack.enter_async_context(stranger(web.post("/go/{room}", elsewhere)))
        whip = await stack.enter_async_context(target(program, whep=f"{url}/go/{{room}}"))
        source = await stack.enter_async_context(peer_of("sendonly"))
        stack.push_async_callback((await whip.publish(source, Member(room, "h", "host"))).close)
        await stack.enter_async_context(publishing(source))
        peer = await stack.enter_async_context(peer_of("recvonly"))
        stack.push_async_callback((await whip.watch(peer, Member(room, "v", "viewer"))).close)
        await receives(peer, 30)


async def test_a_server_that_is_full_says_when_to_come_back() -> None:
    async def full(request: web.Request) -> web.Response:
        assert request.match_info["room"] == "a b"
        assert "Authorization" not in request.headers, "no token was given"
        return web.Response(status=503, headers={"Retry-After": "7"}, text="too many\nhere")

    async with (
        stranger(web.post("/whep/{room}", full)) as url,
        WhipTarget(None, url + "/whep/{room}") as whip,
        peer_of("recvonly") as peer,
    ):
        with pytest.raises(Refused) as refused:
            await whip.watch(peer, Member("a b", "v", "viewer"))
    assert (refused.value.code, refused.value.retry_after_s) == ("http_503", 7.0)
    assert "\n" not in str(refused.value)


async def test_an_answer_that_cannot_be_read_ends_the_session() -> None:
    ended: list[str] = []

    async def nonsense(request: web.Request) -> web.Response:
        headers = {"Location": "/session/1", "Content-Type": "application/sdp"}
        return web.Response(status=201, headers=headers, body=b"v=0\r\n")

    async def end(request: web.Request) -> web.Response:
        ended.append(request.path)
        return web.Response()

    async with (
        stranger(web.post("/whip", nonsense), web.delete("/session/1", end)) as url,
        WhipTarget(f"{url}/whip", None) as whip,
        peer_of("sendonly") as peer,
    ):
        with pytest.raises(PeerError, match="the answer has no"):
            await whip.publish(peer, Member("r", "h", "host"))
    assert ended == ["/session/1"]


async def test_nobody_there_is_one_line_with_the_address() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        url = f"http://127.0.0.1:{port}/{{room}}/whep"
        with pytest.raises(TargetError) as caught:
            async with WhipTarget(None, url):
                pass
    assert str(caught.value).startswith(f"cannot reach {url}: Connection refused")
    assert "is the server running" in str(caught.value)
    with pytest.raises(TargetError, match=r"no-such-host\.invalid"):
        async with WhipTarget("http://no-such-host.invalid/{room}", None):
            pass


async def test_what_was_not_given_is_said() -> None:
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with WhipTarget(f"http://127.0.0.1:{port}/{{room}}", None) as whip:
            async with peer_of("recvonly") as peer:
                with pytest.raises(TargetError, match="was given no WHEP address"):
                    await whip.watch(peer, Member("r", "v", "viewer"))
            with pytest.raises(TargetError, match="has no messages"):
                await whip.open_socket(Member("r", "v", "viewer"))

"""The relay between FFmpeg and the real server; here a light peer stands where FFmpeg would."""

from __future__ import annotations

import asyncio
import contextlib
import queue
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from loadtest.rtc.light_peer import LightPeer, PeerError
from loadtest.trust import OF_THIS_MACHINE, Trust
from loadtest.whip_relay import OVER, WhipRelay
from server.tls import ca_certificate_path
from tests.support.server import LiveServer, ServerProcess, server_process, serving

__all__ = ["server_process"]
ROOM = "r1"


class Failures(queue.SimpleQueue[str]):
    async def first(self, within_s: float = 10.0) -> str:
        return await asyncio.to_thread(self.get, True, within_s)


@contextlib.asynccontextmanager
async def relay_to(
    url: str, token: str, failures: Failures, trust: Trust = OF_THIS_MACHINE
) -> AsyncIterator[WhipRelay]:
    relay = WhipRelay(f"{url}/whip/{ROOM}", token, trust.context(), failures.put, look_every_s=0.05)
    relay.__enter__()
    try:
        yield relay
    finally:
        # Its goodbye is blocking, and the server may run in this very loop.
        await asyncio.to_thread(relay.__exit__, None, None, None)


@contextlib.asynccontextmanager
async def light_peer() -> AsyncIterator[LightPeer]:
    peer = LightPeer("sendonly")
    try:
        yield peer
    finally:
        await peer.close()


async def phase_of(server: LiveServer) -> str:
    headers = server.bearer("sam", "staff", ROOM)
    async with server.http.get(f"/api/v1/rooms/{ROOM}", headers=headers) as response:
        phase: str = (await response.json())["phase"]
        return phase


async def test_the_goodbye_comes_in_any_case(tmp_path: Path) -> None:
    failures = Failures()
    async with serving(tmp_path) as server:
        token = server.token("hana", "host", ROOM)
        # The peer shows no token: the relay has it.
        async with light_peer() as peer, relay_to(server.url, token, failures) as relay:
            await peer.connect(server.http, relay.url, "")
            assert await phase_of(server) == "live"
        assert await phase_of(server) == "host_lost"
    assert failures.empty()


async def test_only_who_knows_its_path_may_use_it(tmp_path: Path) -> None:
    failures = Failures()
    async with serving(tmp_path) as server:
        token = server.token("hana", "host", ROOM)
        async with relay_to(server.url, token, failures) as relay:
            base = relay.url.rpartition("/")[0]
            for method in ("POST", "DELETE"):
                async with server.http.request(method, f"{base}/whip/{ROOM}") as response:
                    assert response.status == 502
    assert failures.empty()


async def test_the_servers_words_are_told(tmp_path: Path) -> None:
    failures = Failures()
    async with (
        serving(tmp_path) as server,
        light_peer() as peer,
        relay_to(server.url, server.token("vera", "viewer", ROOM), failures) as relay,
    ):
        with pytest.raises(PeerError, match="403"):
            await peer.connect(server.http, relay.url, "")
        assert "grant publish (403); make a token" in await failures.first()


async def test_a_session_that_the_server_ended_is_noticed(tmp_path: Path) -> None:
    failures = Failures()
    async with (
        serving(tmp_path) as server,
        light_peer() as peer,
        relay_to(server.url, server.token("hana", "host", ROOM), failures) as relay,
    ):
        await peer.connect(server.http, relay.url, "")
        assert relay._session is not None
        headers = server.bearer("sam", "staff", ROOM)
        async with server.http.delete(relay._session.url, headers=headers) as response:
            assert response.status == 200
        assert await failures.first() == OVER


async def test_a_server_that_has_gone_is_noticed(server_process: ServerProcess) -> None:
    failures = Failures()
    await server_process.start()
    token = server_process.token("hana", "host", ROOM)
    async with (
        aiohttp.ClientSession() as http,
        light_peer() as peer,
        relay_to(server_process.url, token, failures) as relay,
    ):
        await peer.connect(http, relay.url, "")
        await server_process.kill()
        assert await failures.first() == (
            "the server has gone: nothing listens there; start it with `lianmai serve`, or name"
            " another with --server"
        )


async def test_certificates_are_verified(tmp_path: Path) -> None:
    failures = Failures()
    async with serving(tmp_path, tls="auto") as server, aiohttp.ClientSession() as http:
        token = server.token("hana", "host", ROOM)
        authority = ca_certificate_path(server.running.settings)
        async with light_peer() as peer, relay_to(server.url, token, failures) as relay:
            with pytest.raises(PeerError, match="502"):
                await peer.connect(http, relay.url, "")
            assert "its certificate is not trusted" in await failures.first()
        for trust in (Trust(authority=authority), Trust(pin=authority)):
            async with light_peer() as peer, relay_to(server.url, token, failures, trust) as relay:
                await peer.connect(http, relay.url, "")
    assert failures.empty()

"""Our TURN credentials as Debian's coturn takes them, and what the doctor says of it."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aioice.stun import TransactionFailed
from aioice.turn import create_turn_endpoint

from server.doctor import relays
from server.settings import Settings
from server.turn_url import TurnUrl
from signaling.ids import Subject
from signaling.turn import TurnServers
from signaling.views import IceServer
from tests.support.relay import HOST, TURN_SECRET, Relay, coturn

LIMIT_S = 10.0
UNAUTHORIZED = 401


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Relay]:
    async with coturn(tmp_path) as started:
        yield started


def credentials(secret: str = TURN_SECRET, *, made_ago_s: int = 0) -> IceServer:
    turn = TurnServers(urls=("turn:unused",), secret=secret, ttl_s=600)
    return turn.for_person(Subject("u_1"), int((time.time() - made_ago_s) * 1000))


class Echo(asyncio.DatagramProtocol):
    """Answers in capitals."""

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override] # typeshed says the base class
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.transport.sendto(data.upper(), addr)


class Client(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.received: asyncio.Queue[bytes] = asyncio.Queue()
        self.closed = asyncio.Event()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.received.put_nowait(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()


async def echo_through(relay: Relay, transport: str, server: IceServer) -> bytes:
    """One datagram to an echo behind the relay and back."""
    url = TurnUrl.parse(relay.url(transport))
    trust = ssl.create_default_context(cafile=relay.certificate) if url.is_tls else None
    echo, _ = await asyncio.get_running_loop().create_datagram_endpoint(Echo, (HOST, 0))
    try:
        async with asyncio.timeout(LIMIT_S):
            way, client = await create_turn_endpoint(
                Client,
                (url.host, url.port),
                username=server.username,
                password=server.credential,
                ssl=trust,
                transport=url.transport,
            )
            way.sendto(b"lianmai", echo.get_extra_info("sockname"))
            answer = await client.received.get()
            way.close()
            await client.closed.wait()
            return answer
    finally:
        echo.close()


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_our_credentials_open_a_relay(relay: Relay, transport: str) -> None:
    assert await echo_through(relay, transport, credentials()) == b"LIANMAI"


@pytest.mark.parametrize(
    "server",
    [credentials(made_ago_s=601), credentials("another secret of 16 or more")],
    ids=["expired", "wrong secret"],
)
async def test_others_are_refused(relay: Relay, server: IceServer) -> None:
    with pytest.raises(TransactionFailed) as refused:
        await echo_through(relay, "udp", server)
    assert refused.value.response.error_code == UNAUTHORIZED


def told(relay: Relay, *transports: str, secret: str = TURN_SECRET) -> Settings:
    urls = [relay.url(transport) for transport in transports]
    return Settings.model_validate({"turn_servers": urls, "turn_secret": secret})


async def test_the_doctor_opens_a_relay(relay: Relay) -> None:
    found = await relays.relays(told(relay, "udp", "tcp"))
    assert [check.status for check in found] == ["ok", "ok"], found


async def test_the_doctor_tells_a_wrong_secret(relay: Relay) -> None:
    (check,) = await relays.relays(told(relay, "udp", secret="another secret of 16 or more"))
    assert (check.status, "401" in check.detail) == ("fail", True), check
    assert "static-auth-secret" in check.fix


async def test_the_doctor_tells_a_certificate_that_browsers_refuse(relay: Relay) -> None:
    (check,) = await relays.relays(told(relay, "tls"))
    assert (check.status, "certificate" in check.fix) == ("fail", True), check

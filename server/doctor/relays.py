"""Checks of the TURN servers: each opens a relay for credentials made as clients get them."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from typing import Final

from aioice.stun import TransactionError, TransactionFailed
from aioice.turn import create_turn_endpoint

from server.app import turn_servers
from server.doctor.check import Check, fail, ok
from server.settings import Settings
from server.turn_url import TurnUrl
from signaling.ids import Subject
from signaling.views import IceServer

ANSWER_LIMIT_S: Final = 2.0
"""Three sendings of a request that was lost (RFC 8489 §6.2.1: at 0, 0.5 and 1.5 s)."""
_UNAUTHORIZED: Final = 401


async def relays(settings: Settings) -> list[Check]:
    """One finding an address; none without TURN servers."""
    turn = turn_servers(settings)
    if turn is None:
        return []
    server = turn.for_person(Subject("doctor"), time.time_ns() // 1_000_000)
    return list(await asyncio.gather(*(_relay(url, server) for url in turn.urls)))


async def _relay(text: str, server: IceServer) -> Check:
    url = TurnUrl.parse(text)
    firewall = f"start it, and let {url.transport.upper()} port {url.port} through its firewall"
    try:
        async with asyncio.timeout(ANSWER_LIMIT_S):
            took_ms = await _allocate(url, server)
    except TransactionFailed as error:
        return _refused(text, error.response.error_code, str(error))
    except (TimeoutError, TransactionError):
        return fail("TURN", f"{text} does not answer in {ANSWER_LIMIT_S:g} s", firewall)
    except ssl.SSLCertVerificationError as error:
        how = "give it a certificate for that name from an authority that browsers know"
        return fail("TURN", f"{text}: {error.verify_message}", how)
    except socket.gaierror as error:
        return fail("TURN", f"{text}: {error.strerror}", "correct the name in turn_servers")
    except OSError as error:
        return fail("TURN", f"{text}: {error}", firewall)
    return ok("TURN", f"{text} opened a relay in {took_ms:.0f} ms")


def _refused(text: str, code: int | None, said: str) -> Check:
    if code == _UNAUTHORIZED:
        how = "turn_secret must be its static-auth-secret (coturn: use-auth-secret); compare clocks"
        return fail("TURN", f"{text} refuses our credentials (401)", how)
    return fail("TURN", f"{text} refuses: {said}", "see the log of the TURN server")


async def _allocate(url: TurnUrl, server: IceServer) -> float:
    """Open a relay and close it again; returns milliseconds of the opening."""
    started = time.perf_counter()
    relay, ended = await create_turn_endpoint(
        _Ended,
        (url.host, url.port),
        username=server.username,
        password=server.credential,
        ssl=url.is_tls or None,
        transport=url.transport,
    )
    took_ms = (time.perf_counter() - started) * 1000
    relay.close()
    await ended.wait()
    return took_ms


class _Ended(asyncio.DatagramProtocol):
    """Waits until the relay was given back."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def connection_lost(self, exc: Exception | None) -> None:
        self._event.set()

    async def wait(self) -> None:
        await self._event.wait()

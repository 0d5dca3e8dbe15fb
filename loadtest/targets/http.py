"""HTTP as a crowd needs it: no limit on connections of our own, a look whether anybody is there."""

from __future__ import annotations

import asyncio
import os
import ssl
from typing import Final

import aiohttp

from loadtest.targets.target import TargetError
from loadtest.trust import Trust

LOOK_WITHIN_S: Final = 5.0
REQUEST_WITHIN_S: Final = 15.0


def crowd_session(tls: ssl.SSLContext) -> aiohttp.ClientSession:
    """For as many at once as there are people."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=tls),
        timeout=aiohttp.ClientTimeout(total=REQUEST_WITHIN_S),
        cookie_jar=aiohttp.DummyCookieJar(),
    )


def tls_of(trust: Trust | None) -> ssl.SSLContext:
    """`trust` None believes any certificate."""
    if trust is not None:
        return trust.context()
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def ensure_reachable(url: str, host: str, port: int) -> None:
    """Connect by TCP and hang up. Raises `TargetError` that names the URL and the remedy."""
    try:
        async with asyncio.timeout(LOOK_WITHIN_S):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError as error:
        raise TargetError(
            f"cannot reach {url}: no answer from {host}:{port} within {LOOK_WITHIN_S:g} s; "
            "is the address right, and does a firewall let it through?"
        ) from error
    except OSError as error:
        raise TargetError(
            f"cannot reach {url}: {_reason(error)} ({host}:{port}); is the server running, "
            "and is the address right?"
        ) from error
    writer.close()


def _reason(error: OSError) -> str:
    """Without asyncio's own words around it; names that do not resolve have their own numbers."""
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or str(error)

"""Bodies of requests: the right type, not too large, not too slow, UTF-8."""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import web

from server.problems import HttpProblem
from signaling.errors import Refusal

MAX_BODY_BYTES: Final = 64 * 1024
"""An offer of Chromium has 5-8 kB; one with eight m-lines some 20 kB."""
BODY_TIMEOUT_S: Final = 10.0
"""A phone on a bad network sends 64 kB in less; a stalled body holds a connection no longer."""


def require_content_type(request: web.Request, wanted: str, header: str) -> None:
    """415 with the type that is taken, in `header`."""
    if request.content_type != wanted:
        raise HttpProblem("unsupported_media_type", headers={header: wanted})


async def read_text(request: web.Request) -> str:
    """The body as text: at most `MAX_BODY_BYTES` (413), within `BODY_TIMEOUT_S` (408)."""
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise Refusal("too_large")
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            body = await request.read()
    except TimeoutError:
        raise HttpProblem("body_timeout") from None
    except web.HTTPRequestEntityTooLarge:
        raise Refusal("too_large") from None
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise Refusal("bad_message", "The body is not UTF-8.") from None

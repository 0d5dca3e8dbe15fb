from __future__ import annotations

import logging

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from server.app_keys import METRICS
from server.metrics import Metrics
from server.middlewares import errors


async def gone(request: web.Request) -> web.StreamResponse:
    """What a handler meets when its client left, for example during a WebSocket upgrade."""
    assert request.transport is not None
    request.transport.abort()
    raise ConnectionResetError("Cannot write to closing transport")


async def test_who_leaves_while_we_answer_is_no_error_of_ours(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = web.Application(middlewares=[errors])
    app[METRICS] = Metrics()
    app.router.add_get("/", gone)
    async with TestServer(app) as server, aiohttp.ClientSession() as http:
        with caplog.at_level(logging.WARNING), pytest.raises(aiohttp.ClientConnectionError):
            await http.get(server.make_url("/"))
    assert [record.getMessage() for record in caplog.records] == []

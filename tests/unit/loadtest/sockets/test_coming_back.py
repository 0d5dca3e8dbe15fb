"""Coming back to a server that is not quite up again, scripted connection by connection."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web

from loadtest.sockets import lianmai_socket
from loadtest.sockets.lianmai_socket import LianmaiSocket
from loadtest.targets.target import Refused

WELCOME: dict[str, Any] = {
    "type": "welcome",
    "conn": "c_1",
    "you": {"subject": "u_1"},
    "recovered": True,
    "stage": {"requests": []},
    "questions": [],
}
AWAY = {"type": "error", "code": "store_unavailable", "message": "away", "retryable": True}
UNKNOWN = {"type": "error", "code": "bad_token", "message": "no", "retryable": False}


class Door:
    """A server whose connections say, in turn, what they are told to; the last one stays open."""

    def __init__(self, *script: tuple[dict[str, Any], int | None]) -> None:
        self._script = list(script)
        self.joins: list[dict[str, Any]] = []
        self.is_done = asyncio.Event()

    async def __aenter__(self) -> str:
        app = web.Application()
        app.router.add_get("/ws", self._open)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return f"ws://127.0.0.1:{self._runner.addresses[0][1]}/ws"

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _open(self, request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(protocols=("lianmai.json",))
        await ws.prepare(request)
        self.joins.append(await ws.receive_json())
        message, close_code = self._script.pop(0)
        batch = {"messages": [message], "log": f"k.{len(self.joins)}"}
        await ws.send_str(json.dumps(batch, separators=(",", ":")))
        if not self._script:
            self.is_done.set()
        if close_code is not None:
            await ws.close(code=close_code)
        else:
            await ws.receive()
        return ws


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lianmai_socket, "_BACK_OFF_S", (0.01, 0.02))


async def test_a_join_refused_for_now_is_tried_again_by_one_task_alone() -> None:
    door = Door((WELCOME, 4002), (AWAY, 4002), (AWAY, 4002), (AWAY, 4002), (WELCOME, None))
    async with door as url:
        one = await LianmaiSocket.connect(url, "token")
        await asyncio.wait_for(door.is_done.wait(), 10)
        assert one._returning is not None
        await asyncio.wait_for(one._returning, 10)
        assert one.is_open
        assert one.reconnects == 1
        assert one.complaints == {
            "a socket was lost: 4002": 1,
            "could not come back: store_unavailable": 3,
        }
        assert "resume" not in door.joins[0]
        assert door.joins[1]["resume"] == {"log": "k.1"}
        assert [join["conn"] for join in door.joins[1:]] == ["c_1"] * 4
        await one.close()
    assert len(door.joins) == 5


async def test_who_is_not_wanted_any_more_stays_away() -> None:
    async with Door((WELCOME, 4000), (UNKNOWN, 4501)) as url:
        one = await LianmaiSocket.connect(url, "token")
        await asyncio.wait_for(one._light.closed, 10) if one._light is not None else None
        assert one._returning is not None
        await asyncio.wait_for(one._returning, 10)
        assert not one.is_open
        assert one.complaints["could not come back: bad_token"] == 1
        with pytest.raises(Refused, match="closed"):
            await one.chat("hello?")
        await one.close()


@pytest.mark.parametrize("code", [4500, 4506, 1000, 1008])
async def test_some_codes_say_that_coming_back_is_useless(code: int) -> None:
    door = Door((WELCOME, code))
    async with door as url:
        one = await LianmaiSocket.connect(url, "token")
        assert one._light is not None
        await asyncio.wait_for(one._light.closed, 10)
        assert one._returning is None
        assert list(one.complaints) == [f"a socket was lost: {code}"]
        await one.close()
    assert len(door.joins) == 1


async def test_a_first_join_is_tried_once() -> None:
    door = Door((AWAY, 4002))
    async with door as url:
        with pytest.raises(Refused) as refused:
            await LianmaiSocket.connect(url, "token")
    assert refused.value.code == "store_unavailable"
    assert len(door.joins) == 1


async def test_leaving_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lianmai_socket, "_BACK_OFF_S", (1000.0, 1000.0))
    door = Door((WELCOME, 4000))
    async with door as url:
        one = await LianmaiSocket.connect(url, "token")
        assert one._light is not None
        await asyncio.wait_for(one._light.closed, 10)
        await asyncio.wait_for(one.close(), 5)
        assert one._returning is not None
        assert one._returning.cancelled()


async def test_a_server_of_another_kind_is_nonsense_and_a_refusal() -> None:
    async with Door(({"type": "hello"}, 1000)) as url:
        with pytest.raises(Refused, match="closed_1000"):
            await LianmaiSocket.connect(url, "token")

"""The WebSocket front against the real program: what happens around a session."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgpack
import pytest
from aiohttp import WSMsgType

from server import socket as front
from server.app_keys import METRICS, ROOMS
from signaling.close_codes import CloseCode
from signaling.protocol import MAX_FRAME_BYTES
from signaling.views import Role
from tests.support.server import LiveServer, live, serving

__all__ = ["live"]
pytestmark = pytest.mark.asyncio(loop_scope="module")

Socket = aiohttp.ClientWebSocketResponse[Any]


@asynccontextmanager
async def connect(
    live: LiveServer, protocol: str | None = "lianmai.json", **headers: str
) -> AsyncIterator[Socket]:
    protocols = () if protocol is None else (protocol,)
    async with live.http.ws_connect(
        "/ws", protocols=protocols, headers=headers, autoclose=True, max_msg_size=0
    ) as ws:
        yield ws


def join(live: LiveServer, room: str, user: str = "vera", role: Role = "viewer") -> str:
    return json.dumps({"type": "join", "token": live.token(user, role, room)})


async def batch(ws: Socket) -> list[dict[str, Any]]:
    """The messages of the next frame."""
    message = await ws.receive(timeout=5)
    assert message.type is WSMsgType.TEXT, message
    messages: list[dict[str, Any]] = json.loads(message.data)["messages"]
    return messages


async def until(ws: Socket, kind: str) -> dict[str, Any]:
    """The next message of a type."""
    while True:
        for message in await batch(ws):
            if message["type"] == kind:
                return message


async def closed(ws: Socket) -> tuple[int | None, list[dict[str, Any]]]:
    """The close code, and every message that came before it."""
    said: list[dict[str, Any]] = []
    while True:
        message = await ws.receive(timeout=8)
        if message.type is WSMsgType.TEXT:
            said.extend(json.loads(message.data)["messages"])
        elif message.type in (WSMsgType.CLOSE, WSMsgType.CLOSED):
            return ws.close_code, said
        else:
            raise AssertionError(message)


async def test_a_join_is_welcomed_in_json(live: LiveServer) -> None:
    room = live.new_room()
    async with connect(live) as ws:
        assert ws.protocol == "lianmai.json"
        await ws.send_str(join(live, room))
        welcome = await until(ws, "welcome")
    assert welcome["room"] == room
    assert welcome["you"]["role"] == "viewer"


async def test_a_join_is_welcomed_in_msgpack(live: LiveServer) -> None:
    room = live.new_room()
    async with connect(live, "lianmai.msgpack") as ws:
        token = live.token("vera", "viewer", room)
        await ws.send_bytes(msgpack.packb({"type": "join", "token": token}))
        message = await ws.receive(timeout=5)
        assert message.type is WSMsgType.BINARY
        messages = msgpack.unpackb(message.data)["messages"]
    assert messages[0]["type"] == "welcome"


@pytest.mark.parametrize("protocol", [None, "lianmai.xml"])
async def test_a_known_subprotocol_is_needed(live: LiveServer, protocol: str | None) -> None:
    async with connect(live, protocol) as ws:
        assert await closed(ws) == (CloseCode.WRONG_SUBPROTOCOL, [])


async def test_who_says_nothing_is_sent_away(
    live: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(front, "JOIN_TIMEOUT_S", 0.05)
    async with connect(live) as ws:
        assert await closed(ws) == (CloseCode.JOIN_TIMEOUT, [])


@pytest.mark.parametrize(
    ("message", "code", "close"),
    [
        ('{"type":"chat","id":"1","text":"hi"}', "not_joined", CloseCode.BAD_MESSAGE),
        ("nonsense", "bad_message", CloseCode.BAD_MESSAGE),
        ('{"type":"join","token":"x.y.z"}', "bad_token", CloseCode.BAD_TOKEN),
        ('{"type":"join","token":5}', "bad_message", CloseCode.BAD_MESSAGE),
        (" " * (MAX_FRAME_BYTES + 1), "too_large", CloseCode.TOO_LARGE),
    ],
)
async def test_a_wrong_first_message(
    live: LiveServer, message: str, code: str, close: CloseCode
) -> None:
    async with connect(live) as ws:
        await ws.send_str(message)
        close_code, said = await closed(ws)
    assert close_code == close
    assert [error["code"] for error in said] == [code]
    assert set(said[0]) >= {"type", "code", "message", "retryable"}


async def test_an_expired_token_has_a_close_code_of_its_own(live: LiveServer) -> None:
    room = live.new_room()
    token = live.token("vera", "viewer", room, ttl_s=-60)
    async with connect(live) as ws:
        await ws.send_str(json.dumps({"type": "join", "token": token}))
        close_code, said = await closed(ws)
    assert close_code == CloseCode.TOKEN_EXPIRED
    assert said[0]["code"] == "token_expired"


async def test_a_publish_key_does_not_open_the_socket(live: LiveServer) -> None:
    room = live.new_room()
    made = await live.http.post(
        f"/api/v1/rooms/{room}/publish-keys", headers=live.bearer("anna", "host", room)
    )
    key = (await made.json())["key"]
    async with connect(live) as ws:
        await ws.send_str(json.dumps({"type": "join", "token": key}))
        close_code, said = await closed(ws)
    assert close_code == CloseCode.FORBIDDEN
    assert said[0]["code"] == "forbidden"


async def test_bad_messages_are_answered_then_closed(live: LiveServer) -> None:
    room = live.new_room()
    async with connect(live) as ws, connect(live) as bystander:
        await bystander.send_str(join(live, room, "vito"))
        await until(bystander, "welcome")
        await ws.send_str(join(live, room))
        await until(ws, "welcome")
        for number in range(front.MAX_BAD_MESSAGES):
            if number % 2:
                await ws.send_str('{"type":"dance"}')
            else:
                await ws.send_bytes(b"\x81\xa4type")
        close_code, said = await closed(ws)
        errors = [message["code"] for message in said if message["type"] == "error"]
        assert errors == ["bad_message"] * front.MAX_BAD_MESSAGES
        assert close_code == CloseCode.BAD_MESSAGE
        await bystander.send_str('{"type":"ping","id":"still here"}')
        assert (await until(bystander, "pong"))["id"] == "still here"


async def test_a_message_far_too_large_ends_the_socket(live: LiveServer) -> None:
    room = live.new_room()
    async with connect(live) as ws:
        await ws.send_str(join(live, room))
        await until(ws, "welcome")
        await ws.send_str(" " * (5 * MAX_FRAME_BYTES))
        close_code, _ = await closed(ws)
    assert close_code in (aiohttp.WSCloseCode.MESSAGE_TOO_BIG, CloseCode.TOO_LARGE)


async def test_a_flood_is_refused_then_closed(live: LiveServer) -> None:
    room = live.new_room()
    async with connect(live) as ws:
        await ws.send_str(join(live, room))
        await until(ws, "welcome")
        for number in range(front.MESSAGES_BURST * 4):
            await ws.send_str(json.dumps({"type": "ping", "id": str(number)}))
        close_code, said = await closed(ws)
    assert close_code == CloseCode.BAD_MESSAGE
    refused = [message for message in said if message["type"] == "error"]
    assert len(refused) == front.MAX_REFUSED_BY_RATE
    assert {message["code"] for message in refused} == {"rate_limited"}
    assert all(message["retry_after_ms"] > 0 for message in refused)


async def test_what_comes_in_is_counted_by_lane(live: LiveServer) -> None:
    counters = live.running.app[METRICS].counters
    before = counters.messages_in.copy()
    room = live.new_room()
    async with connect(live) as ws:
        await ws.send_str(join(live, room, "anna", "host"))
        await until(ws, "welcome")
        await ws.send_str('{"type":"start_show","id":"0"}')
        await until(ws, "ack")
        await ws.send_str('{"type":"chat","id":"1","text":"你好"}')
        await until(ws, "ack")
        await ws.send_str('{"type":"ask","id":"2","text":"适合油皮吗？"}')
        await until(ws, "ack")
    grown = {lane.name: n - before[lane] for lane, n in counters.messages_in.items()}
    assert grown["CONTROL"] == 1
    assert grown["CHAT"] == 1
    assert grown["QUESTION"] == 1


async def test_a_refused_message_is_answered_and_counted(live: LiveServer) -> None:
    before = live.running.app[ROOMS].stats().refusals.get("forbidden", 0)
    room = live.new_room()
    async with connect(live) as host, connect(live) as ws:
        await host.send_str(join(live, room, "anna", "host"))
        await host.send_str('{"type":"start_show","id":"0"}')
        await until(host, "ack")
        await ws.send_str(join(live, room))
        await until(ws, "welcome")
        await ws.send_str('{"type":"start_show","id":"mine now"}')
        error = await until(ws, "error")
    assert error["code"] == "forbidden"
    assert error["id"] == "mine now"
    assert live.running.app[ROOMS].stats().refusals["forbidden"] == before + 1


async def test_a_fresh_token_comes_before_the_old_one_ends(live: LiveServer) -> None:
    room = live.new_room()
    token = live.token("vera", "viewer", room, ttl_s=2)
    async with connect(live) as ws:
        await ws.send_str(json.dumps({"type": "join", "token": token}))
        renewed = await until(ws, "token_renewed")
    async with connect(live) as ws:
        await ws.send_str(json.dumps({"type": "join", "token": renewed["token"]}))
        welcome = await until(ws, "welcome")
    claims = live.signing.verify(renewed["token"])
    assert claims.user == "vera"
    assert claims.grants == frozenset(welcome["you"]["grants"])
    assert renewed["expires_ms"] == claims.exp * 1000


async def test_other_origins_are_refused_where_origins_are_listed(tmp_path: Path) -> None:
    async with serving(tmp_path, origins=["https://shop.example"]) as server:
        async with connect(server, Origin="https://shop.example") as ws:
            assert not ws.closed
        async with connect(server, Origin=server.url) as ws:
            assert not ws.closed
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with connect(server, Origin="https://elsewhere.example"):
                pass
        assert refused.value.status == 403


@pytest.mark.parametrize(("code", "is_same_visit"), [(4000, True), (1000, False), (1001, False)])
async def test_only_a_goodbye_ends_the_visit(
    live: LiveServer, code: int, is_same_visit: bool
) -> None:
    """A browser that takes its socket for dead closes it with a code of its own and comes back."""
    room = live.new_room()
    join = {"type": "join", "token": live.token("a", "viewer", room)}
    async with connect(live) as first:
        await first.send_json(join)
        conn = (await first.receive_json())["messages"][0]["conn"]
        await first.close(code=code)
    async with connect(live) as second:
        await second.send_json({**join, "conn": conn})
        again = (await second.receive_json())["messages"][0]["conn"]
    assert (again == conn) is is_same_visit


async def test_a_full_room_says_so(tmp_path: Path) -> None:
    async with serving(tmp_path, room={"max_viewers": 1}) as server:
        room = server.new_room()
        async with connect(server) as first, connect(server) as second:
            await first.send_json({"type": "join", "token": server.token("a", "viewer", room)})
            assert (await first.receive_json())["messages"][0]["type"] == "welcome"
            await second.send_json({"type": "join", "token": server.token("b", "viewer", room)})
            close_code, said = await closed(second)
        assert close_code == CloseCode.ROOM_FULL
        assert said[0]["code"] == "room_full"
        assert said[0]["retry_after_ms"] > 0


async def test_stopping_sends_everybody_away_to_come_back(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        room = server.new_room()
        http = aiohttp.ClientSession(server.url)
        ws = await http.ws_connect("/ws", protocols=("lianmai.json",))
        await ws.send_str(join(server, room))
        await until(ws, "welcome")
        end = asyncio.create_task(closed(ws))
    close_code, _ = await end
    await http.close()
    assert close_code == CloseCode.SHUTTING_DOWN


async def test_two_who_ask_the_same_are_one_card_and_both_hear_the_answer(
    live: LiveServer,
) -> None:
    room = live.new_room()
    async with connect(live) as host, connect(live) as ann, connect(live) as ben:
        await host.send_str(join(live, room, "anna", "host"))
        await until(host, "welcome")
        for ws, user in ((ann, "ann"), (ben, "ben")):
            await ws.send_str(join(live, room, user))
            await until(ws, "welcome")
        await ann.send_str('{"type":"ask","id":"1","text":"这个适合油皮吗？"}')
        card = (await until(host, "question_asked"))["question"]["question_id"]
        await ben.send_str('{"type":"chat","id":"1","text":"请问这个适合油皮吗"}')
        joined = await until(host, "question_joined")
        assert (joined["question_id"], joined["count"]) == (card, 2)
        answer = {"type": "answer_question", "id": "2", "question_id": card, "text": "适合"}
        await host.send_str(json.dumps(answer))
        for ws in (ann, ben):
            answered = (await until(ws, "question_answered"))["question"]
            assert (answered["question_id"], answered["count"]) == (card, 2)

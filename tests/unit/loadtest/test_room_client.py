"""The client against the real server, in both encodings."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from loadtest.room_client import Encoding, RoomClient, RoomError
from loadtest.trust import Trust
from server.tls import ca_certificate_path
from signaling.close_codes import CloseCode
from signaling.ids import RoomId
from signaling.views import Role
from tests.support.server import LiveServer, live, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")
__all__ = ["live"]

ENCODINGS: tuple[Encoding, ...] = ("json", "msgpack")
each_encoding = pytest.mark.parametrize("encoding", ENCODINGS)


def client(
    live: LiveServer,
    room: RoomId,
    user: str,
    role: Role = "viewer",
    encoding: Encoding = "msgpack",
) -> RoomClient:
    url = live.running.socket_url
    return RoomClient(url, live.token(user, role, room), encoding=encoding)


@each_encoding
async def test_welcome_requests_and_news(live: LiveServer, encoding: Encoding) -> None:
    room = live.new_room()
    async with (
        client(live, room, "hana", "host", encoding) as host,
        client(live, room, "vera", "viewer", encoding) as viewer,
    ):
        assert host.welcome["you"]["role"] == "host"
        assert (await host.request("start_show", title="春季专场"))["type"] == "ack"
        show = await viewer.wait_for("show_changed")
        assert show["show"]["title"] == "春季专场"
        ack = await viewer.request("ask", text="这个适合油皮吗？")
        asked = await host.wait_for("question_asked")
        assert asked["question"]["question_id"] == ack["result"]["question_id"]
        pong = await viewer.request("ping", id="p-7")
        assert (pong["type"], pong["id"]) == ("pong", "p-7")


@each_encoding
async def test_an_error_is_raised_with_its_code(live: LiveServer, encoding: Encoding) -> None:
    room = live.new_room()
    async with (
        client(live, room, "hana", "host", encoding),
        client(live, room, "vera", "viewer", encoding) as viewer,
    ):
        with pytest.raises(RoomError, match="forbidden") as refused:
            await viewer.request("start_show")
        assert refused.value.code == "forbidden"
        results = await asyncio.gather(
            *(viewer.request("ask", text=f"问题 {n}") for n in range(10)), return_exceptions=True
        )
    limited = [result for result in results if isinstance(result, RoomError)]
    assert {error.code for error in limited} == {"rate_limited"}
    assert all(error.retry_after_ms for error in limited)


async def test_a_refused_join_is_raised_and_leaves_nothing_open(live: LiveServer) -> None:
    stranger = RoomClient(live.running.socket_url, "no token")
    with pytest.raises(RoomError, match="bad_token"):
        await stranger.__aenter__()
    # An open session would be told by a ResourceWarning, which is an error here.
    with pytest.raises(RoomError, match="closed"):
        await stranger.next()


async def test_wait_for_matches_fields_and_has_a_limit(live: LiveServer) -> None:
    room = live.new_room()
    async with client(live, room, "hana", "host") as host:
        await host.request("start_show")
        await host.request("chat", text="一")
        said = await host.wait_for("chat_said")
        assert said["chat"]["text"] == "一"
        with pytest.raises(TimeoutError):
            await host.wait_for("show_changed", within_s=0.05, nothing="like this")


async def test_a_reader_that_does_not_keep_up_loses_the_oldest() -> None:
    slow = RoomClient("ws://nowhere", "", queue=2)
    slow._take({"messages": [{"type": "counts", "viewers": n} for n in range(5)], "log": "e.9"})
    assert slow.lost == 3
    assert [(await slow.next())["viewers"] for _ in range(2)] == [3, 4]
    assert slow.positions == {"log": "e.9"}


async def test_a_lost_socket_is_taken_up_where_it_was(live: LiveServer) -> None:
    room = live.new_room()
    async with (
        client(live, room, "hana", "host") as host,
        client(live, room, "vera") as viewer,
    ):
        await host.request("start_show")
        await viewer.wait_for("show_changed")
        await viewer.drop()
        await host.request("end_show")
        welcome = await viewer.connect()
        assert welcome["recovered"] is True
        missed = await viewer.wait_for("show_changed")
        assert missed["show"]["phase"] == "ended"
        await viewer.request("ping")


async def test_a_closed_socket_ends_every_wait(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        waiting = client(server, server.new_room(), "vera")
        await waiting.connect()
        news = asyncio.create_task(waiting.wait_for("never", within_s=30))
        await asyncio.sleep(0)
    # The server told everybody to go and stopped.
    with pytest.raises(RoomError, match="closed"):
        await news
    assert waiting.close_code == CloseCode.SHUTTING_DOWN
    with pytest.raises((RoomError, ConnectionError)):
        await waiting.request("ping")
    await waiting.close()


async def test_a_local_authority_is_trusted_when_told(tmp_path: Path) -> None:
    async with serving(tmp_path, tls="auto") as server:
        tls = Trust(authority=ca_certificate_path(server.running.settings)).context()
        token = server.token("vera", "viewer", "r1")
        async with RoomClient(server.running.socket_url, token, tls=tls) as viewer:
            assert viewer.welcome["room"] == "r1"

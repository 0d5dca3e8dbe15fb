"""Light sockets in rooms of the real server, in both encodings."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Self

import pytest

from loadtest.sockets.lianmai_socket import LianmaiSocket
from loadtest.sockets.light_socket import Closed
from loadtest.sockets.shared import Shared
from loadtest.sockets.tally import Message
from loadtest.targets.target import Encoding, Lane, OnDelay, Refused
from loadtest.trust import Trust
from server.tls import ca_certificate_path
from signaling.ids import RoomId
from signaling.views import Role
from tests.support.server import LiveServer, live, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")
__all__ = ["live"]

ENCODINGS: tuple[Encoding, ...] = ("json", "msgpack")
each_encoding = pytest.mark.parametrize("encoding", ENCODINGS)
SEED = 20260102


class WatchedSocket(LianmaiSocket):
    """Tells when something came in."""

    news: asyncio.Event | None = None

    def _on_message(self, frame: bytes) -> None:
        super()._on_message(frame)
        self._tell()

    def _on_close(self, closed: Closed) -> None:
        super()._on_close(closed)
        self._tell()

    def _take_welcome(self, welcome: Message) -> None:
        super()._take_welcome(welcome)
        self._tell()

    def _tell(self) -> None:
        if self.news is not None:
            self.news.set()

    async def until(self, holds: Callable[[Self], bool]) -> None:
        async with asyncio.timeout(20):
            self.news = news = asyncio.Event()
            while not holds(self):
                news.clear()
                await news.wait()


async def connected(
    live: LiveServer,
    room: RoomId,
    user: str,
    role: Role = "viewer",
    encoding: Encoding = "msgpack",
    *,
    on_delay: OnDelay | None = None,
    manages: bool = False,
    shared: Shared | None = None,
) -> WatchedSocket:
    return await WatchedSocket.connect(
        live.running.socket_url,
        live.token(user, role, room),
        encoding=encoding,
        on_delay=on_delay,
        manages=manages,
        shared=shared,
        rng=random.Random(SEED),
    )


async def live_host(live: LiveServer, room: RoomId) -> WatchedSocket:
    """The host of a show that has begun."""
    host = await connected(live, room, "hana", "host")
    await host.request("start_show", title="春季专场")
    return host


@contextlib.asynccontextmanager
async def leaving(sockets: Sequence[WatchedSocket]) -> AsyncIterator[None]:
    """They leave at the end."""
    try:
        yield
    finally:
        await asyncio.gather(*(each.close() for each in sockets))


async def counted(sockets: Sequence[WatchedSocket], lane: Lane, wanted: int) -> None:
    """Until each of them was told so many messages of a lane."""
    for each in sockets:
        await each.until(lambda it: it.counts.messages.get(lane, 0) >= wanted)


@each_encoding
async def test_a_bad_token_is_refused(live: LiveServer, encoding: Encoding) -> None:
    with pytest.raises(Refused) as refused:
        await LianmaiSocket.connect(live.running.socket_url, "no token", encoding=encoding)
    assert refused.value.code == "bad_token"


async def test_who_is_no_server_is_told_apart(live: LiveServer) -> None:
    with pytest.raises(Refused, match="answered 404") as refused:
        await LianmaiSocket.connect(live.running.socket_url + "/nowhere", "t")
    assert refused.value.code == "http_404"
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        with pytest.raises(Refused) as nobody:
            await LianmaiSocket.connect(f"ws://127.0.0.1:{unheard.getsockname()[1]}/ws", "t")
    assert nobody.value.code == "no_connection"


@each_encoding
async def test_chat_reaches_everybody_and_is_counted(live: LiveServer, encoding: Encoding) -> None:
    room, delays = live.new_room(), list[tuple[Lane, float]]()
    sampled = await connected(
        live, room, "vera", "viewer", encoding, on_delay=lambda *seen: delays.append(seen)
    )
    others = [await connected(live, room, f"u{n}", "staff", encoding) for n in range(3)]
    async with leaving([sampled, *others]):
        for n in range(4):
            await others[n % 3].chat(f'还有 "type":"chat_said" 吗？{n}')
        await counted([sampled, *others], "chat", 4)
        assert [each.counts.messages["chat"] for each in [sampled, *others]] == [4] * 4
        assert [lane for lane, _ in delays] == ["chat"] * 4
        assert all(0 < delay_s < 20 for _, delay_s in delays)
        assert sampled.counts.bytes > sampled.counts.frames > 0


@each_encoding
async def test_a_refused_message_is_raised_with_its_wait(
    live: LiveServer, encoding: Encoding
) -> None:
    room = live.new_room()
    staff = await connected(live, room, "sam", "staff", encoding)
    one = await connected(live, room, "vera", "viewer", encoding)
    async with leaving([staff, one]):
        said = await asyncio.gather(
            *(one.chat(f"好看 {n}") for n in range(10)), return_exceptions=True
        )
        refused = [each for each in said if each is not None]
        assert refused
        assert all(isinstance(each, Refused) for each in refused)
        assert {each.code for each in refused if isinstance(each, Refused)} == {"rate_limited"}
        assert all(each.retry_after_s for each in refused if isinstance(each, Refused))


@each_encoding
async def test_a_question_is_asked_and_answered(live: LiveServer, encoding: Encoding) -> None:
    room, delays = live.new_room(), list[tuple[Lane, float]]()
    staff = await connected(
        live,
        room,
        "sam",
        "staff",
        encoding,
        on_delay=lambda *seen: delays.append(seen),
        manages=True,
    )
    asker = await connected(live, room, "vera", "viewer", encoding)
    async with leaving([staff, asker]):
        await asker.ask("这个适合油皮吗？")
        await counted([staff, asker], "question", 2)
        assert [lane for lane, _ in delays] == ["question"]
        assert not staff.complaints


async def test_questions_asked_before_the_manager_came_are_answered(live: LiveServer) -> None:
    room = live.new_room()
    host = await connected(live, room, "hana", "host")
    asker = await connected(live, room, "vera")
    await asker.ask("什么时候开始？")
    staff = await connected(live, room, "sam", "staff", manages=True)
    async with leaving([host, staff, asker]):
        await counted([asker], "question", 2)
        assert not staff.complaints


async def test_likes_are_summed_up_by_the_room(live: LiveServer) -> None:
    room = live.new_room()
    host = await live_host(live, room)
    one = await connected(live, room, "vera")
    async with leaving([host, one]):
        before = one.counts.messages.get("ambient", 0)
        await one.like(250)
        await counted([one], "ambient", before + 1)
        assert not one.complaints


async def test_a_refused_like_is_a_complaint(live: LiveServer) -> None:
    room = live.new_room()
    host = await live_host(live, room)
    one = await connected(live, room, "vera")
    async with leaving([host, one]):
        for _ in range(30):
            await one.like(1)
        await one.until(lambda it: bool(it.complaints))
        assert set(one.complaints) == {"refused: rate_limited"}


@each_encoding
async def test_two_hundred_sockets_count_exactly(live: LiveServer, encoding: Encoding) -> None:
    room, shared = live.new_room(), Shared()
    talker = await connected(live, room, "sam", "staff", encoding, shared=shared)
    token = live.token("vera", "viewer", room)
    crowd = await asyncio.gather(
        *(
            WatchedSocket.connect(live.running.socket_url, token, encoding=encoding, shared=shared)
            for _ in range(200)
        )
    )
    everybody = [talker, *crowd]
    async with leaving(everybody):
        for n in range(20):
            await talker.chat(f"第 {n} 条")
        await counted(everybody, "chat", 20)
        assert {each.counts.messages["chat"] for each in everybody} == {20}
        assert {each.counts.shed for each in everybody} == {0}
        assert all(each.is_open for each in everybody)
    assert not any(each.is_open or each.complaints for each in everybody)


@each_encoding
async def test_a_lost_socket_comes_back_and_misses_nothing(
    live: LiveServer, encoding: Encoding
) -> None:
    room = live.new_room()
    other = await connected(live, room, "sam", "staff", encoding)
    one = await connected(live, room, "vera", "viewer", encoding)
    async with leaving([one, other]):
        await other.chat("还在吗")
        await counted([one], "chat", 1)
        assert one._light is not None
        one._light.abort()
        await other.chat("一")
        await other.chat("二")
        await counted([one], "chat", 3)
        await one.until(lambda it: it.reconnects > 0)
        assert one.is_open
        assert one.counts.messages["chat"] == 3
        assert one.complaints == {"a socket was lost: 1006": 1}


async def test_what_was_missed_and_is_lost_is_a_complaint(live: LiveServer) -> None:
    room = live.new_room()
    # Who joins before anybody opened the room has positions of no log.
    one = await connected(live, room, "vera")
    staff = await connected(live, room, "sam", "staff")
    async with leaving([one, staff]):
        await staff.chat("开门了")
        await counted([one], "chat", 1)
        assert one._light is not None
        one._light.abort()
        await one.until(lambda it: it.reconnects > 0)
        assert one.complaints == {
            "a socket was lost: 1006": 1,
            "came back, but what was missed is lost": 1,
        }


async def test_a_server_that_stops_is_come_back_to_no_more_after_leaving(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    async with serving(tmp_path_factory.mktemp("data")) as server:
        one = await connected(server, server.new_room(), "vera")
        waiting = asyncio.ensure_future(one.request("get_profile", subject="nobody"))
        with pytest.raises(Refused, match="see_profiles"):
            await waiting
    await one.until(lambda it: bool(it.complaints))
    assert one.complaints["a socket was lost: 4000 shutting_down"] == 1
    # The first try to come back may have been made by now.
    assert set(one.complaints) <= {
        "a socket was lost: 4000 shutting_down",
        "could not come back: no_connection",
    }
    assert not one.is_open
    with pytest.raises(Refused) as refused:
        await one.chat("hello?")
    assert refused.value.code == "closed"
    await one.close()
    await one.close()


async def test_over_tls(tmp_path_factory: pytest.TempPathFactory) -> None:
    async with serving(tmp_path_factory.mktemp("data"), tls="auto") as server:
        tls = Trust(authority=ca_certificate_path(server.running.settings)).context()
        token = server.token("sam", "staff", server.new_room())
        one = await WatchedSocket.connect(server.running.socket_url, token, tls=tls)
        async with leaving([one]):
            await one.chat("安全")
            await counted([one], "chat", 1)

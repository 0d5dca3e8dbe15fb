"""A guest's turn on the stage of the real server, with a real peer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from loadtest.rtc.light_peer import LightPeer
from loadtest.sockets.lianmai_socket import LianmaiSocket
from loadtest.sockets.shared import Shared
from loadtest.targets.target import Encoding, Lane, OnDelay, Refused
from signaling.ids import RoomId
from signaling.views import Role
from tests.support.server import LiveServer, live

pytestmark = pytest.mark.asyncio(loop_scope="module")
__all__ = ["live"]

ENCODINGS: tuple[Encoding, ...] = ("json", "msgpack")


class Room:
    """Sockets of one room of the real server, closed at the end."""

    def __init__(self, live: LiveServer, encoding: Encoding) -> None:
        self._live = live
        self._encoding: Encoding = encoding
        self._room: RoomId = live.new_room()
        self._shared = Shared()
        self.sockets: list[LianmaiSocket] = []

    async def join(
        self,
        user: str,
        role: Role = "viewer",
        *,
        manages: bool = False,
        on_delay: OnDelay | None = None,
    ) -> LianmaiSocket:
        joined = await LianmaiSocket.connect(
            self._live.running.socket_url,
            self._live.token(user, role, self._room),
            encoding=self._encoding,
            manages=manages,
            on_delay=on_delay,
            shared=self._shared,
        )
        self.sockets.append(joined)
        return joined

    async def live_host(self, *, manages: bool) -> LianmaiSocket:
        host = await self.join("hana", "host", manages=manages)
        await host.request("start_show", title="春季专场")
        return host


@contextlib.asynccontextmanager
async def a_room(live: LiveServer, encoding: Encoding = "json") -> AsyncIterator[Room]:
    room = Room(live, encoding)
    try:
        yield room
    finally:
        await asyncio.gather(*(each.close() for each in room.sockets))


@pytest.mark.parametrize("encoding", ENCODINGS)
async def test_a_turn_on_the_stage(live: LiveServer, encoding: Encoding) -> None:
    delays: list[tuple[Lane, float]] = []
    async with a_room(live, encoding) as room:
        host = await room.live_host(manages=True)
        await room.join("wen", on_delay=lambda *seen: delays.append(seen))
        guest = await room.join("vera")
        peer = LightPeer("sendonly")
        seat = await guest.take_mic(peer)
        assert [lane for lane, _ in delays] == ["control"]
        assert 0 < delays[0][1] < 20
        await seat.close()
        await seat.close()
        again = await guest.take_mic(LightPeer("sendonly"))
        await again.close()
        assert not host.complaints
        assert not guest.complaints


async def test_who_is_rejected_is_refused_and_may_ask_again(live: LiveServer) -> None:
    async with a_room(live) as room:
        host = await room.live_host(manages=False)
        guest = await room.join("vera")
        for _ in range(2):
            asked = asyncio.ensure_future(guest.take_mic(LightPeer("sendonly")))
            await _until_accepted(host, "reject_request", guest.subject)
            with pytest.raises(Refused) as refused:
                await asked
            assert refused.value.code == "mic_rejected"


async def test_without_a_show_there_is_no_mic(live: LiveServer) -> None:
    async with a_room(live) as room:
        await room.join("sam", "staff", manages=True)
        guest = await room.join("vera")
        with pytest.raises(Refused) as refused:
            await guest.take_mic(LightPeer("sendonly"))
        assert refused.value.code == "not_live"


async def test_one_turn_at_a_time(live: LiveServer) -> None:
    async with a_room(live) as room:
        await room.live_host(manages=True)
        guest = await room.join("vera")
        first = asyncio.ensure_future(guest.take_mic(LightPeer("sendonly")))
        await asyncio.sleep(0)
        with pytest.raises(Refused) as refused:
            await guest.take_mic(LightPeer("sendonly"))
        assert refused.value.code == "already_requested"
        await (await first).close()


async def test_who_finds_the_stage_full_gets_the_next_free_seat(live: LiveServer) -> None:
    async with a_room(live) as room:
        host = await room.live_host(manages=True)
        guests = [await room.join(f"guest{n}") for n in range(4)]
        seats = [await each.take_mic(LightPeer("sendonly")) for each in guests[:3]]
        waiting = asyncio.ensure_future(guests[3].take_mic(LightPeer("sendonly")))
        await _until_full(host, guests[3].subject)
        assert not waiting.done()
        await seats[0].close()
        await (await waiting).close()
        assert not host.complaints


async def _until_accepted(host: LianmaiSocket, kind: str, subject: str) -> None:
    """Say it until the request is there."""
    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(Refused):
                await host.request(kind, subject=subject)
                return


async def _until_full(host: LianmaiSocket, subject: str) -> None:
    """Until the room says that it cannot let the waiting person in."""
    async with asyncio.timeout(10):
        while True:
            try:
                await host.request("accept_request", subject=subject)
            except Refused as refused:
                if refused.code == "stage_full":
                    return

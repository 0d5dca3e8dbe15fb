from __future__ import annotations

import asyncio

from signaling.identity import Identity
from signaling.ids import ConnId, RoomId, ShopId, Subject
from signaling.media_owner import MediaOwner
from signaling.stay import Lost, LostSockets, Stay


def lost(name: str) -> Lost:
    who = Identity(ShopId("s"), RoomId("r"), Subject(name), name, name, "viewer", frozenset())
    return Lost(Stay(None, MediaOwner(who)), 1, "connection_lost")


async def test_a_stay_is_taken_by_its_person_only() -> None:
    gone: list[Lost] = []
    kept = LostSockets(60, gone.append)
    mine = lost("ann")
    kept.keep(ConnId("c1"), mine)
    kept.keep(ConnId("c2"), lost("ann"))
    assert kept.take(ConnId("c1"), Subject("bob")) is None
    assert kept.take(ConnId("c1"), Subject("ann")) is mine
    assert kept.take(ConnId("c1"), Subject("ann")) is None
    assert kept.has(Subject("ann"))
    assert len(kept.take_all()) == 1
    assert not kept.has(Subject("ann"))
    assert (len(kept), gone) == (0, [])


async def test_a_stay_ends_with_its_grace() -> None:
    ended = asyncio.Event()
    gone: list[Lost] = []

    def on_gone(stay: Lost) -> None:
        gone.append(stay)
        ended.set()

    kept = LostSockets(0.01, on_gone)
    kept.keep(ConnId("c1"), lost("ann"))
    async with asyncio.timeout(5):
        await ended.wait()
    assert gone[0].stay.subject == "ann"
    assert not kept.has(Subject("ann"))

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from signaling.group_writer import GroupWriter
from signaling.ids import ConnId, RoomId, RoomRef, ShopId, Subject
from signaling.presence import DWELL_AFTER_SEEN_MS, STALE_MS, Presence, PresenceBook
from signaling.room_store import RoomStore
from signaling.rules import RoomRules
from tests.support.rooms import ShiftedClock

T0 = 1_700_000_000_000


@pytest.fixture
async def writer(redis_client: Redis) -> AsyncIterator[GroupWriter]:
    writer = GroupWriter(redis_client)
    await writer.start()
    yield writer
    await writer.close()


def ann(node: str) -> Presence:
    return Presence(Subject("s-ann"), "ann", "viewer", T0, "show", node)


async def test_a_connection_is_alive_as_long_as_its_node_says_so(
    writer: GroupWriter, shop: ShopId, room: RoomId
) -> None:
    ref = RoomRef(shop, room)
    one, two = PresenceBook(writer, "one"), PresenceBook(writer, "two")
    await one.enter(ref, ConnId("c1"), ann("one"), T0)
    await two.enter(ref, ConnId("c2"), ann("two"), T0)
    await one.uplink_began(ref, Subject("s-ann"), T0)
    assert await two.uplink_node(ref, Subject("s-ann")) == "one"
    now_ms = T0 + STALE_MS + 1
    await two.refresh([ref], now_ms)
    known = await two.attendance(ref)
    [orphan] = known.orphans(now_ms)
    assert (orphan.conn, orphan.until_ms) == ("c1", T0 + DWELL_AFTER_SEEN_MS)
    assert known.orphaned_uplinks(now_ms) == ["s-ann"]
    assert known.is_here("s-ann", now_ms)
    assert known.name_of("s-ann", now_ms) == "ann"
    assert known.name_of("s-bob", now_ms) is None
    await two.erase(ref, [orphan], [Subject("s-ann")])
    await two.forget_nodes(ref, ["one"])
    after = await two.attendance(ref)
    assert (list(after.conns), after.uplinks, list(after.seen_ms)) == (["c2"], {}, ["two"])
    assert await two.count(ref) == 1
    await two.leave(ref, ConnId("c2"))
    assert await two.count(ref) == 0


async def test_rooms_that_no_node_refreshes_are_abandoned(
    writer: GroupWriter, shop: ShopId, room: RoomId
) -> None:
    ref = RoomRef(shop, room)
    book = PresenceBook(writer, "one")
    clock = ShiftedClock()
    store = RoomStore(writer, clock=clock, rules=RoomRules(), engage=lambda *_: ())
    await store.create(ref)
    await book.enter(ref, ConnId("c1"), ann("one"), T0)
    assert ref not in await book.abandoned_rooms(T0 + 1)
    assert ref in await book.abandoned_rooms(T0 + STALE_MS)
    await book.close_room(ref)
    assert ref not in await book.abandoned_rooms(T0 + STALE_MS)

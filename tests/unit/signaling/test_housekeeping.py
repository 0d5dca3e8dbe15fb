from __future__ import annotations

import itertools
from collections.abc import AsyncIterator

import pytest

from signaling import protocol as p
from signaling.errors import Refusal
from signaling.ids import RoomId, ShopId
from signaling.options import RoomOptions
from tests.support.rooms import Node

_keys = (f"k{n}" for n in itertools.count())


@pytest.fixture
async def node(store_url: str, shop: ShopId, room: RoomId) -> AsyncIterator[Node]:
    async with Node(store_url, shop, room) as node:
        yield node


async def test_an_empty_room_is_closed_and_its_counters_stay(
    store_url: str, shop: ShopId, room: RoomId
) -> None:
    async with Node(store_url, shop, room, RoomOptions(seat_grace_ms=0)) as node:
        host = await node.join("hugo", "host")
        await host.ok(p.StartShow(next(_keys)))
        await host.link.next("show_changed")
        before = node.service.stats()
        await host.drop("client_closed")
        keeper = node.service._housekeeping
        await node.sink.next("room.left")
        await node.store.ping()  # some turns of the loop: the grace of 0 ms is over
        for _ in range(3):
            node.clock.ahead_ms += 11_000
            await keeper._count()
        after = node.service.stats()
        assert (before.rooms, after.rooms) == (1, 0)
        assert after.frames_out == before.frames_out > 0
        again = await node.join("hugo", "host")
        assert again.welcome["show"]["show_id"]


async def test_an_open_question_keeps_no_empty_room_in_memory_and_is_there_again(
    store_url: str, shop: ShopId, room: RoomId
) -> None:
    options = RoomOptions(seat_grace_ms=0, question_ttl_ms=86_400_000)
    async with Node(store_url, shop, room, options) as node:
        host = await node.join("hugo", "host")
        await host.ok(p.Ask(next(_keys), "下次什么时候播"))
        await host.drop("client_closed")
        await node.sink.next("room.left")
        await node.store.ping()  # some turns of the loop: the grace of 0 ms is over
        for _ in range(3):
            node.clock.ahead_ms += 11_000
            await node.service._housekeeping._count()
        node.service._housekeeping._forget_states()
        assert node.service._store.refs() == []
        again = await node.join("hugo", "host")
        assert [q["text"] for q in again.welcome["questions"]] == ["下次什么时候播"]
        node.clock.ahead_ms += 86_400_000
        await again.link.next("question_expired")


async def test_rooms_of_one_node_are_bounded(store_url: str, shop: ShopId, room: RoomId) -> None:
    async with Node(store_url, shop, room, RoomOptions(max_rooms=1)) as node:
        await node.join("ann")
        node.room = RoomId("r2")
        with pytest.raises(Refusal) as refused:
            await node.join("ann")
        assert refused.value.code == "room_full"


async def test_an_invitation_runs_out_by_itself(node: Node) -> None:
    host = await node.join("hugo", "host")
    ann = await node.join("ann")
    await host.ok(p.StartShow(next(_keys)))
    await host.ok(p.Invite(next(_keys), "s-ann"))
    await ann.link.next("invite_sent")
    node.clock.ahead_ms = 31_000
    assert (await ann.link.next("invite_ended"))["outcome"] == "expired"
    rejected = await node.sink.next("mic.rejected")
    assert rejected.props["reason"] == "expired"


async def test_inviting_needs_somebody_in_the_room(
    node: Node, store_url: str, shop: ShopId, room: RoomId
) -> None:
    host = await node.join("hugo", "host")
    await host.ok(p.StartShow(next(_keys)))
    assert (await host.say(p.Invite(next(_keys), "s-nobody")))["code"] == "not_in_room"
    async with Node(store_url, shop, room) as other:
        ann = await other.join("ann")
        await host.ok(p.Invite(next(_keys), "s-ann"))
        assert (await ann.link.next("invite_sent"))["invite"]["name"] == "ann"


async def test_heartbeats_are_said_for_who_is_here(node: Node) -> None:
    await node.join("ann")
    await node.service._housekeeping.refresh()
    assert {e.subject for e in node.sink.of("room.heartbeat")} == {"s-ann"}

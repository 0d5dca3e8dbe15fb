"""What a dead node leaves behind, and a store that dies and comes back."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator

import pytest

from signaling import protocol as p
from signaling.close_codes import CloseCode
from signaling.errors import Refusal
from signaling.ids import RoomId, ShopId
from tests.support.rooms import Node
from tests.support.store import StoreProcess

_keys = (f"k{n}" for n in itertools.count())
LATER_MS = 60_000


def key() -> str:
    return next(_keys)


@pytest.fixture
async def node(store_url: str, shop: ShopId, room: RoomId) -> AsyncIterator[Node]:
    async with Node(store_url, shop, room) as node:
        yield node


async def test_a_dead_nodes_visits_end_and_its_seats_are_lost(
    node: Node, store_url: str, shop: ShopId, room: RoomId
) -> None:
    dead = Node(store_url, shop, room)
    await dead.service.start()
    obs = await dead.service.whip_publish(dead.identity("hugo", "host"), "audio video")
    dead.media.connect(obs.peer_id)
    ann = await dead.join("ann")
    staff = await node.join("sue", "staff")
    await ann.ok(p.RequestMic(key()))
    await staff.link.next("mic_requested")
    await dead.die()
    await dead.store.aclose()

    node.clock.ahead_ms = LATER_MS
    await node.service._housekeeping.refresh()
    ended = await staff.link.next("mic_request_ended")
    assert (ended["subject"], ended["outcome"]) == ("s-ann", "left")
    await staff.link.until(
        lambda: staff.link.of("show_changed")[-1]["show"]["phase"] == "host_lost"
    )
    [left] = node.sink.of("room.left")
    assert left.natural_key == ann.session.conn
    assert left.props["reason"] == "node_lost"
    assert 15_000 <= left.props["dwell_ms"] < 45_000
    assert await node.store.hlen(f"lm1:{{{shop}/r1}}:conns") == 1
    assert await node.store.hlen(f"lm1:{{{shop}/r1}}:uplinks") == 0


async def test_who_came_back_elsewhere_is_not_taken_for_gone(
    node: Node, store_url: str, shop: ShopId, room: RoomId
) -> None:
    host = await node.join("hugo", "host")
    await host.ok(p.StartShow(key()))
    dead = Node(store_url, shop, room)
    await dead.service.start()
    ann = await dead.join("ann")
    await ann.ok(p.RequestMic(key()))
    await dead.die()
    await dead.store.aclose()
    again = await node.join("ann", resume=ann.link.resume(), conn=ann.session.conn)
    assert again.welcome["recovered"] is True
    assert again.session.conn != ann.session.conn
    node.clock.ahead_ms = LATER_MS
    await node.service._housekeeping.refresh()
    assert len(node.sink.of("room.left")) == 1
    await host.ok(p.AcceptRequest(key(), "s-ann"))


async def test_rooms_that_nobody_serves_are_swept(
    node: Node, store_url: str, shop: ShopId, room: RoomId
) -> None:
    dead = Node(store_url, shop, room)
    await dead.service.start()
    host = await dead.join("hugo", "host")
    await host.ok(p.StartShow(key()))
    await dead.join("ann")
    await dead.die()
    await dead.store.aclose()
    node.clock.ahead_ms = LATER_MS
    await node.service._housekeeping.refresh()
    assert len(node.sink.of("room.left")) == 2
    assert (await node.service.room(shop, room)).phase == "host_lost"
    assert (await node.service.room(shop, room)).viewers == 0
    node.clock.ahead_ms = 3 * LATER_MS
    await node.service._housekeeping._tick_due()
    late = await node.join("zoe")
    await late.link.until(
        lambda: (
            [m["show"]["phase"] for m in [late.welcome, *late.link.of("show_changed")]][-1]
            == "ended"
        )
    )
    assert await node.store.zscore(f"lm1:{{{shop}}}:active", room) is not None


async def test_a_store_that_dies_refuses_and_a_store_that_returns_goes_on(
    own_store: StoreProcess, shop: ShopId, room: RoomId
) -> None:
    async with Node(own_store.url, shop, room) as node:
        host = await node.join("hugo", "host")
        ann = await node.join("ann")
        await ann.ok(p.Ask(key(), "kept?"))
        await host.link.next("question_asked")
        own_store.kill()
        reply = await ann.say(p.Ask("retried", "lost?"))
        assert (reply["code"], reply["retryable"]) == ("store_unavailable", True)
        with pytest.raises(Refusal) as refused:
            await node.join("bob")
        assert refused.value.code == "store_unavailable"
        own_store.start()
        await ann.ok(p.Ask("retried", "not lost?"))
        await host.link.until_count("question_asked", 2)
        await ann.ok(p.Chat(key(), "still here"))
        await ann.link.next("chat_said")
        assert ann.link.closed is None
        late = await node.join("bob", "staff")
        assert [q["text"] for q in late.welcome["questions"]] == ["kept?", "not lost?"]


async def test_a_store_that_returns_empty_sends_everybody_to_join_anew(
    own_store: StoreProcess, shop: ShopId, room: RoomId
) -> None:
    async with Node(own_store.url, shop, room) as node:
        host = await node.join("hugo", "host")
        await host.ok(p.StartShow(key()))
        await host.link.next("show_changed")
        place = host.link.resume()
        await node.store.flushall()
        own_store.kill()
        own_store.start()
        await host.link.until(lambda: host.link.closed)
        assert host.link.closed is CloseCode.STORE_UNAVAILABLE
        await host.session.leave("store_unavailable")
        again = await node.join("hugo", "host", resume=place)
        assert again.welcome["recovered"] is False
        assert again.welcome["show"]["phase"] == "scheduled"
        await again.ok(p.StartShow(key()))
        await again.link.next("show_changed")

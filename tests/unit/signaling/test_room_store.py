"""Commit, chat and views on the real store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from signaling import commands as c
from signaling.actor import Actor
from signaling.clock import SystemClock
from signaling.desk import engage
from signaling.errors import Refusal
from signaling.group_writer import GroupWriter
from signaling.ids import QuestionId, RoomId, RoomRef, ShopId, ShowId, Subject
from signaling.protocol import ChatSaid
from signaling.room_store import MAX_TOGETHER, MessageRef, RoomStore
from signaling.room_view import MAX_RECOVERED, Resume
from signaling.rules import RoomRules
from signaling.views import ChatView
from tests.support.rooms import GRANTS

HOST = Actor(Subject("s-host"), "hugo", "host", GRANTS["host"])
ANN = Actor(Subject("s-ann"), "ann", "viewer", GRANTS["viewer"])


@asynccontextmanager
async def opened(client: Redis, rules: RoomRules | None = None) -> AsyncIterator[RoomStore]:
    writer = GroupWriter(client)
    await writer.start()
    store = RoomStore(writer, clock=SystemClock(), rules=rules or RoomRules(), engage=engage)
    yield store
    await store.close()
    await writer.close()


@pytest.fixture
def ref(shop: ShopId, room: RoomId) -> RoomRef:
    return RoomRef(shop, room)


@pytest.fixture
async def store(redis_client: Redis) -> AsyncIterator[RoomStore]:
    async with opened(redis_client) as store:
        yield store


@pytest.fixture
async def other(redis_client: Redis) -> AsyncIterator[RoomStore]:
    async with opened(redis_client) as store:
        yield store


def ask(number: int, actor: Actor = ANN) -> c.Ask:
    return c.Ask(actor, QuestionId(f"q{number}"), f"{number}?")


def said(number: int) -> ChatSaid:
    return ChatSaid(chat=ChatView(f"m{number}", "s-ann", "ann", "viewer", f"{number}", 1))


def by_ann(key: str) -> MessageRef:
    return MessageRef(Subject("s-ann"), key)


async def test_a_room_that_nobody_opened_does_not_exist(store: RoomStore, ref: RoomRef) -> None:
    view = await store.view(ref)
    assert not view.exists
    assert view.state.show.phase == "scheduled"
    with pytest.raises(Refusal) as refused:
        await store.say(ref, by_ann("k"), said(1))
    assert refused.value.code == "room_not_found"


async def test_commands_of_one_tick_are_one_commit(
    store: RoomStore, ref: RoomRef, redis_client: Redis
) -> None:
    await store.create(ref)
    await asyncio.gather(*(store.commit(ref, ask(n, HOST)) for n in range(15)))
    state = await redis_client.hgetall(f"lm1:{{{ref.shop}/{ref.room}}}:state")
    assert state[b"rev"] == b"1"
    view = await store.view(ref)
    assert [q.text for q in view.state.questions.open] == [f"{n}?" for n in range(15)]
    assert MAX_TOGETHER >= 15


async def test_two_nodes_lose_nothing_to_each_other(
    store: RoomStore, other: RoomStore, ref: RoomRef
) -> None:
    async def ask_from(node: RoomStore, first: int, actor: Actor) -> None:
        for n in range(first, first + 15):
            await node.commit(ref, ask(n, actor))

    await asyncio.gather(ask_from(store, 0, ANN), ask_from(other, 100, HOST))
    view = await store.view(ref)
    assert len(view.state.questions.open) == 30


async def test_a_refusal_is_judged_by_the_newest_state(
    store: RoomStore, other: RoomStore, ref: RoomRef
) -> None:
    await store.commit(ref, c.StartShow(HOST, ShowId("one")))
    await other.commit(ref, c.EndShow(HOST))
    # `store` remembers a running show and would refuse.
    committed = await store.commit(ref, c.StartShow(HOST, ShowId("two")))
    assert committed.outcome is not None
    assert committed.outcome.state.show.show_id == "two"
    with pytest.raises(Refusal) as refused:
        await other.commit(ref, c.StartShow(HOST, ShowId("three")))
    assert refused.value.code == "already_live"


async def test_a_refused_command_in_a_group_touches_nobody_else(
    store: RoomStore, ref: RoomRef
) -> None:
    results = await asyncio.gather(
        store.commit(ref, ask(1)),
        store.commit(ref, c.EndShow(HOST)),
        store.commit(ref, ask(2)),
        return_exceptions=True,
    )
    assert isinstance(results[1], Refusal)
    view = await store.view(ref)
    assert [q.text for q in view.state.questions.open] == ["1?", "2?"]


async def test_a_repeated_message_has_its_first_result(
    store: RoomStore, other: RoomStore, ref: RoomRef
) -> None:
    first = await store.commit(ref, ask(1), message=by_ann("k"), result={"question_id": "q1"})
    again = await other.commit(ref, ask(2), message=by_ann("k"), result={"question_id": "q2"})
    assert not first.is_repeat
    assert again.is_repeat
    assert again.done.result == {"question_id": "q1"}
    assert again.done.engagements == first.done.engagements
    assert [e.type for e in first.done.engagements] == ["question.asked"]
    assert len((await store.view(ref)).state.questions.open) == 1


async def test_a_refused_message_may_be_tried_again(store: RoomStore, ref: RoomRef) -> None:
    with pytest.raises(Refusal):
        await store.commit(ref, c.RequestMic(ANN, "r1"), message=by_ann("k"))
    await store.commit(ref, c.StartShow(HOST, ShowId("one")))
    await store.commit(ref, c.RequestMic(ANN, "r1"), message=by_ann("k"))


async def test_chat_is_said_once(store: RoomStore, other: RoomStore, ref: RoomRef) -> None:
    await store.create(ref)
    ids = await asyncio.gather(
        store.say(ref, by_ann("k"), said(1)),
        store.say(ref, by_ann("k"), said(2)),
        other.say(ref, by_ann("k"), said(3)),
        store.say(ref, by_ann("l"), said(4)),
    )
    assert len(set(ids[:3])) == 1
    assert len((await store.view(ref)).latest_chat) == 2


async def test_resume_returns_what_came_after(store: RoomStore, ref: RoomRef) -> None:
    await store.commit(ref, ask(1))
    before = await store.view(ref)
    place = Resume(before.log.position, before.chat.position)
    await store.commit(ref, ask(2))
    for n in range(3):
        await store.say(ref, by_ann(f"k{n}"), said(n))
    view = await store.resume(ref, place)
    assert view.is_recovered
    assert view.log.missed is not None
    assert view.chat.missed is not None
    assert (len(view.log.missed), len(view.chat.missed)) == (1, 3)
    assert view.log.missed[-1].stream_id == view.log.position.stream_id


async def test_too_far_back_is_not_recovered(store: RoomStore, ref: RoomRef) -> None:
    await store.create(ref)
    before = await store.view(ref)
    place = Resume(before.log.position, before.chat.position)

    async def say(first: int, last: int) -> None:
        await asyncio.gather(
            *(store.say(ref, by_ann(f"k{n}"), said(n)) for n in range(first, last))
        )

    await say(0, MAX_RECOVERED)
    assert (await store.resume(ref, place)).is_recovered
    await say(MAX_RECOVERED, MAX_RECOVERED + 1)
    assert not (await store.resume(ref, place)).is_recovered


async def test_new_rules_hold_for_an_old_room(redis_client: Redis, ref: RoomRef) -> None:
    async with opened(redis_client) as store:
        await store.commit(ref, ask(1))
    async with opened(redis_client, RoomRules(seats_total=2)) as store:
        view = await store.view(ref)
        assert view.state.rules.seats_total == 2
        assert len(view.state.questions.open) == 1


async def test_deadlines_are_remembered(store: RoomStore, ref: RoomRef) -> None:
    await store.commit(ref, c.StartShow(HOST, ShowId("one")))
    assert store.deadlines() == {}
    await store.commit(ref, c.HostLost(HOST.subject))
    assert list(store.deadlines()) == [ref]
    assert store.would_change(ref, c.HostReturned(HOST.subject))
    assert not store.would_change(ref, c.HostLost(HOST.subject))
    assert not store.would_change(ref, c.LeaveSeat(ANN))
    store.forget(ref)
    assert store.cached(ref) is None


async def test_closing_settles_who_waits(redis_client: Redis, ref: RoomRef) -> None:
    async with opened(redis_client) as store:
        waiting = asyncio.ensure_future(store.commit(ref, ask(1)))
        await asyncio.sleep(0)
    with pytest.raises(Refusal) as refused:
        await waiting
    assert refused.value.code == "shutting_down"

"""The service on a real store: joining, talking, two nodes, restarts."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator

import pytest

from signaling import protocol as p
from signaling.close_codes import CloseCode
from signaling.errors import Refusal
from signaling.ids import RoomId, ShopId
from signaling.options import RoomOptions
from signaling.turn import TurnServers
from tests.support.rooms import Node, Person, RecordingLink

_keys = (f"k{n}" for n in itertools.count())


def key() -> str:
    return next(_keys)


@pytest.fixture
async def node(store_url: str, shop: ShopId, room: RoomId) -> AsyncIterator[Node]:
    async with Node(store_url, shop, room) as node:
        yield node


@pytest.fixture
async def other(store_url: str, shop: ShopId, room: RoomId) -> AsyncIterator[Node]:
    async with Node(store_url, shop, room) as node:
        yield node


async def test_a_viewer_before_the_host_gets_the_waiting_page(node: Node) -> None:
    viewer = await node.join("ann")
    assert viewer.welcome["show"]["phase"] == "scheduled"
    assert viewer.welcome["recovered"] is False
    assert (await viewer.say(p.Chat(key(), "hi")))["code"] == "room_not_found"
    assert (await viewer.say(p.Ask(key(), "hi?")))["code"] == "room_not_found"
    assert await node.service.rooms(node.shop) == []


async def test_a_room_becomes_known_when_its_host_comes(node: Node) -> None:
    viewer = await node.join("ann")
    host = await node.join("hugo", "host")
    await host.ok(p.StartShow(key(), "Sale"))
    shown = await viewer.link.next("show_changed")
    assert shown["show"]["phase"] == "live"
    await viewer.ok(p.Chat(key(), "hi"))
    [summary] = await node.service.rooms(node.shop)
    assert (summary.room, summary.title, summary.phase) == ("r1", "Sale", "live")
    assert summary.viewers == 2


async def test_chat_reaches_everybody_in_both_encodings(node: Node) -> None:
    host = await node.join("hugo", "host")
    ann = await node.join("ann")
    bob = await node.join("bob", encoding="msgpack")
    ack = await ann.ok(p.Chat(key(), "你好"))
    for person in (host, ann, bob):
        said = await person.link.next("chat_said")
        assert said["chat"]["text"] == "你好"
        assert said["chat"]["message_id"] == ack["result"]["message_id"]
    assert [e.subject for e in node.sink.of("message.sent")] == ["s-ann"]


async def test_a_newcomer_sees_the_latest_chat(node: Node) -> None:
    await node.join("hugo", "host")
    ann = await node.join("ann")
    for n in range(3):
        await ann.ok(p.Chat(key(), f"m{n}"))
    bob = await node.join("bob")
    assert [c["text"] for c in bob.welcome["chat"]] == ["m0", "m1", "m2"]


async def test_a_question_is_acknowledged_when_retention_has_it(node: Node) -> None:
    host = await node.join("hugo", "host")
    ann = await node.join("ann")
    bob = await node.join("bob")
    ack = await ann.ok(p.Ask(key(), "这个适合油皮吗？"))
    [fact] = node.sink.durable
    assert fact.type == "question.asked"
    assert fact.props["question_id"] == ack["result"]["question_id"]
    asked = await host.link.next("question_asked")
    assert asked["question"]["text"] == "这个适合油皮吗？"
    await ann.link.next("question_asked")
    await host.ok(p.AnswerQuestion(key(), ack["result"]["question_id"], "适合"))
    await bob.link.next("question_answered")
    assert bob.link.of("question_asked") == []
    assert [e.type for e in node.sink.durable] == ["question.asked", "question.answered"]


async def test_a_retried_message_is_the_first_one_again(node: Node) -> None:
    host = await node.join("hugo", "host")
    ann = await node.join("ann")
    first = await ann.ok(p.Ask("same", "q?"))
    again = await ann.ok(p.Ask("same", "q?"))
    assert first["result"] == again["result"]
    both = await asyncio.gather(ann.ok(p.Ask("twice", "r?")), ann.ok(p.Ask("twice", "r?")))
    assert both[0]["result"] == both[1]["result"]
    said = await asyncio.gather(*(ann.ok(p.Chat("chat", "x")) for _ in range(3)))
    assert len({ack["result"]["message_id"] for ack in said}) == 1
    await ann.ok(p.Ask("last", "s?"))
    await host.link.until(lambda: len(host.link.of("question_asked")) == 3)
    assert len(host.link.of("chat_said")) == 1
    assert len(node.sink.of("question.asked")) == 3


async def test_retries_of_another_person_are_other_messages(node: Node) -> None:
    host = await node.join("hugo", "host")
    ann, bob = await node.join("ann"), await node.join("bob")
    await ann.ok(p.Ask("same", "q?"))
    await bob.ok(p.Ask("same", "r?"))
    await host.link.until(lambda: len(host.link.of("question_asked")) == 2)


async def test_what_two_nodes_ask_is_one_card_and_every_asker_hears_the_answer(
    node: Node, other: Node
) -> None:
    host = await node.join("hugo", "host")
    ann, bob, cat = await node.join("ann"), await node.join("bob"), await other.join("cat")
    first = await ann.ok(p.Ask(key(), "这个适合油皮吗？"))
    card = first["result"]["question_id"]
    await bob.ok(p.Ask(key(), "请问这个适合油皮吗"))
    await cat.link.next("welcome")
    third = await cat.ok(p.Ask(key(), "这个适合油皮吗"))
    joined = await cat.link.next("question_joined")
    assert (joined["question_id"], joined["ask_id"]) == (card, third["result"]["ask_id"])
    assert third["result"]["question_id"] == card
    again = await ann.ok(p.Ask(key(), "这个适合油皮吗"))
    assert again["result"]["question_id"] == card
    await host.link.until_count("question_joined", 2)
    assert [m["count"] for m in host.link.of("question_joined")] == [2, 3]
    assert ann.link.of("question_joined") == []
    await host.ok(p.ClaimQuestion(key(), card))
    for asker in (ann, bob, cat):
        assert (await asker.link.next("question_claimed"))["by"] == "hugo"
    await host.ok(p.AnswerQuestion(key(), card))
    for asker in (ann, bob, cat):
        answered = await asker.link.next("question_answered")
        assert answered["question"]["count"] == 3
    told = [e for e in node.sink.durable if e.type == "question.answered"]
    assert [e.subject for e in told] == ["s-ann", "s-bob", "s-cat"]
    back = await other.join("bob")
    assert [q["mine"] for q in back.welcome["questions"]] == [True]


async def test_a_question_in_the_chat_becomes_one(node: Node) -> None:
    host = await node.join("hugo", "host")
    ann = await node.join("ann")
    ack = await ann.ok(p.Chat(key(), "主播这个适合油皮吗"))
    asked = (await host.link.next("question_asked"))["question"]
    assert (asked["source"], asked["intent"]) == ("detected", "suitability")
    assert asked["question_id"] == ack["result"]["question_id"]
    assert asked["reasons"]
    assert (await host.link.next("chat_said"))["chat"]["text"] == "主播这个适合油皮吗"
    again = await ann.ok(p.Chat(key(), "主播这个适合油皮吗"))
    assert again["result"]["question_id"] == asked["question_id"]
    await ann.ok(p.Chat(key(), "好好看啊"))
    await host.ok(p.Chat(key(), "大家有什么问题吗？"))
    await host.link.until_count("chat_said", 4)
    assert len(host.link.of("question_asked")) == 1
    assert host.link.of("question_joined") == []
    assert [e.type for e in node.sink.durable] == ["question.asked"]


async def test_more_questions_than_a_person_may_ask_stay_chat(
    store_url: str, shop: ShopId, room: RoomId
) -> None:
    async with Node(store_url, shop, room, RoomOptions(ask_burst=3, ask_per_min=1)) as node:
        await node.join("hugo", "host")
        ann = await node.join("ann")
        acks = [await ann.ok(p.Chat(key(), f"{n}号色有货吗")) for n in range(1, 5)]
    assert ["question_id" in ack["result"] for ack in acks] == [True, True, True, False]
    assert acks[-1]["result"]["question_refused"] == "rate_limited"


async def test_commands_of_others_are_refused_with_their_id(node: Node) -> None:
    await node.join("hugo", "host")
    ann = await node.join("ann")
    for message in (
        p.StartShow(key()),
        p.EndShow(key()),
        p.Invite(key(), "s-bob"),
        p.RemoveGuest(key(), "s-bob"),
        p.AnswerQuestion(key(), "q"),
        p.GetProfile(key(), "s-bob"),
    ):
        reply = await ann.say(message)
        assert (reply["type"], reply["code"]) == ("error", "forbidden"), message


async def test_profile_and_ping(node: Node) -> None:
    host = await node.join("hugo", "host")
    await host.session.handle(p.GetProfile("p1", "s-ann"))
    assert (await host.link.next("profile", id="p1"))["profile"]["visits"] == 3
    await host.session.handle(p.Ping("p2"))
    assert (await host.link.next("pong", id="p2"))["server_ms"] > 0


async def test_two_nodes_see_one_order(node: Node, other: Node) -> None:
    host = await node.join("hugo", "host")
    watchers = [await node.join("w1", "staff"), await other.join("w2", "staff")]
    ann, bob = await node.join("ann"), await other.join("bob")

    async def talk(person: Person) -> None:
        for n in range(15):
            await person.ok(p.Ask(key(), f"{person.who.name}{n}?"))
            await person.ok(p.Chat(key(), f"{person.who.name}{n}"))

    await asyncio.gather(talk(ann), talk(bob))
    orders = []
    for watcher in watchers:
        await watcher.link.until_count("question_asked", 30)
        await watcher.link.until_count("chat_said", 30)
        questions = [m["question"]["text"] for m in watcher.link.of("question_asked")]
        orders.append((questions, watcher.link.chats()))
    assert orders[0] == orders[1]
    await host.link.until_count("question_asked", 30)


async def test_two_staff_cannot_seat_two_in_one_seat(
    store_url: str, shop: ShopId, room: RoomId
) -> None:
    options = RoomOptions(seats=2)
    async with Node(store_url, shop, room, options) as a, Node(store_url, shop, room, options) as b:
        host = await a.join("hugo", "host")
        await host.ok(p.StartShow(key()))
        staff = await b.join("sue", "staff")
        ann, bob = await a.join("ann"), await b.join("bob")
        await ann.ok(p.RequestMic(key()))
        await bob.ok(p.RequestMic(key()))
        replies = await asyncio.gather(
            host.say(p.AcceptRequest(key(), "s-ann")), staff.say(p.AcceptRequest(key(), "s-bob"))
        )
        assert sorted(r["type"] for r in replies) == ["ack", "error"]
        assert [r["code"] for r in replies if r["type"] == "error"] == ["stage_full"]
        taken = await staff.link.next("seat_taken")
        late = await b.join("zoe")
        assert [s["subject"] for s in late.welcome["stage"]["seats"]] == [
            "s-hugo",
            taken["seat"]["subject"],
        ]


async def test_every_welcome_brings_relay_credentials_as_of_then(
    store_url: str, shop: ShopId, room: RoomId
) -> None:
    turn = TurnServers(urls=("turn:turn.example",), secret="s" * 16, ttl_s=600)
    async with Node(store_url, shop, room, RoomOptions(turn=turn)) as node:
        ann = await node.join("ann")
        place = ann.link.resume()
        await ann.drop()
        node.clock.ahead_ms += 5_000
        back = await node.join("ann", resume=place, conn=ann.session.conn)
        (first,), (second,) = ann.welcome["ice_servers"], back.welcome["ice_servers"]
        ends = [int(server["username"].partition(":")[0]) for server in (first, second)]
        assert ends[0] * 1000 >= ann.welcome["server_ms"] + 599_000
        assert ends[1] - ends[0] >= 5
        assert first["username"].endswith(f":{ann.session.who.subject}")
        assert set(second) == {"urls", "username", "credential"}


async def test_who_reloads_gets_what_was_missed_and_nothing_twice(node: Node) -> None:
    host = await node.join("hugo", "host")
    ann = await node.join("ann")
    await ann.ok(p.Chat(key(), "before"))
    await ann.link.next("chat_said")
    place = ann.link.resume()
    await ann.drop()
    await host.ok(p.StartShow(key()))
    await host.ok(p.Chat(key(), "missed"))
    back = await node.join("ann", resume=place, conn=ann.session.conn)
    await host.ok(p.Chat(key(), "after"))
    await back.link.until(lambda: len(back.link.of("chat_said")) == 2)
    assert back.welcome["recovered"] is True
    assert back.welcome["conn"] == ann.welcome["conn"]
    assert [m["chat"]["text"] for m in back.link.of("chat_said")] == ["missed", "after"]
    assert [m["show"]["phase"] for m in back.link.of("show_changed")] == ["live"]


async def test_joining_in_a_flood_misses_and_repeats_nothing(node: Node, other: Node) -> None:
    host = await node.join("hugo", "host")
    talker = await other.join("tom")
    total = 150

    async def talk() -> None:
        for n in range(total):
            await talker.ok(p.Chat(key(), str(n)))
            if n % 10 == 0:
                await talker.ok(p.Ask(key(), str(n)))
                # Below the rate at which a flood is shed, however fast this machine is.
                await host.link.until_count("chat_said", n + 1)

    async def come_and_go() -> list[str]:
        person = await node.join("zoe")
        seen = [str(chat["text"]) for chat in person.welcome["chat"]]
        for _ in range(12):
            await person.link.until_count("chat_said", 1)
            place = person.link.resume()
            seen += person.link.chats()
            assert person.link.of("shed") == []
            await person.drop()
            person = await node.join("zoe", resume=place, conn=person.session.conn)
            assert person.welcome["recovered"] is True
        last = person.link
        await last.until(lambda: last.chats() and last.chats()[-1] == str(total - 1))
        assert last.of("shed") == []
        return seen + last.chats()

    _, seen = await asyncio.gather(talk(), come_and_go())
    assert seen == [str(n) for n in range(int(seen[0]), total)]
    await host.link.until_count("question_asked", total // 10)


async def test_positions_that_are_not_ours_recover_nothing(node: Node) -> None:
    await node.join("hugo", "host")
    ann = await node.join("ann")
    good = ann.link.resume()
    assert good.log is not None
    epoch = good.log.partition(".")[0]
    for bad in ("", "nonsense", "other.1-1", f"{epoch}.99999999999999-0", f"{epoch}.x-1"):
        back = await node.join("ann", resume=p.Positions(log=bad, chat=good.chat))
        assert back.welcome["recovered"] is False, bad


async def test_a_trimmed_position_is_not_recovered(node: Node) -> None:
    host = await node.join("hugo", "host")
    await host.ok(p.Chat(key(), "first"))
    await host.link.next("chat_said")
    place = host.link.resume()
    for n in range(5):
        await host.ok(p.Chat(key(), str(n)))
    await node.store.xtrim(f"lm1:{{{node.shop}/r1}}:chat", maxlen=2, approximate=False)
    back = await node.join("hugo", "host", resume=place)
    assert back.welcome["recovered"] is False
    assert [c["text"] for c in back.welcome["chat"]] == ["3", "4"]


async def test_the_same_connection_elsewhere_replaces_the_old_socket(node: Node) -> None:
    await node.join("hugo", "host")
    ann = await node.join("ann")
    again = await node.join("ann", conn=ann.session.conn)
    assert ann.link.closed is CloseCode.REPLACED
    assert again.session.conn == ann.session.conn
    await ann.session.leave("replaced")
    await again.ok(p.Chat(key(), "still here"))
    stranger = await node.join("bob", conn=again.session.conn)
    assert again.link.closed is None
    assert stranger.session.conn != again.session.conn


async def test_counts_and_likes_are_told(node: Node, other: Node) -> None:
    host = await node.join("hugo", "host")
    await host.ok(p.StartShow(key()))
    ann = await other.join("ann")
    await ann.link.until(lambda: ann.welcome["show"]["phase"] == "live")
    await ann.session.handle(p.Like(7))
    await ann.session.handle(p.Like(5))
    await host.link.until(
        lambda: {"type": "counts", "viewers": 2, "likes": 12} in host.link.of("counts")
    )
    await ann.drop("client_closed")
    await host.link.until(
        lambda: {"type": "counts", "viewers": 1, "likes": 12} in host.link.of("counts")
    )
    [like] = other.sink.of("like.sent")
    assert like.props == {"count": 12}
    [left] = other.sink.of("room.left")
    assert (left.subject, left.natural_key) == ("s-ann", ann.session.conn)
    assert 0 <= left.props["dwell_ms"] < 60_000


async def test_a_slow_reader_loses_chat_and_then_its_socket(node: Node) -> None:
    host = await node.join("hugo", "host")
    slow = await node.join("ann")
    slow.link.unsent_bytes = 10_000
    await host.ok(p.Chat(key(), "lost"))
    await host.ok(p.StartShow(key()))
    await slow.link.next("show_changed")
    assert slow.link.of("chat_said") == []
    slow.link.unsent_bytes = 0
    await host.ok(p.Chat(key(), "seen"))
    await slow.link.next("chat_said")
    assert (await slow.link.next("shed"))["count"] == 1
    slow.link.unsent_bytes = 10_000_000
    await host.ok(p.Chat(key(), "too much"))
    await slow.link.until(lambda: slow.link.closed)
    assert slow.link.closed is CloseCode.SLOW_READER
    assert node.service.stats().slow_readers == 1


async def test_too_fast_is_refused_with_a_time(store_url: str, shop: ShopId, room: RoomId) -> None:
    async with Node(store_url, shop, room, RoomOptions(chat_burst=2, chat_per_s=1)) as node:
        await node.join("hugo", "host")
        ann = await node.join("ann")
        replies = [await ann.say(p.Chat(key(), "x")) for _ in range(3)]
        assert [r["type"] for r in replies] == ["ack", "ack", "error"]
        assert (replies[2]["code"], replies[2]["lane"]) == ("rate_limited", "chat")
        assert 0 < replies[2]["retry_after_ms"] <= 1000


async def test_slow_mode_is_told_kept_and_shown(store_url: str, shop: ShopId, room: RoomId) -> None:
    async with Node(store_url, shop, room) as node:
        host = await node.join("hugo", "host")
        ann = await node.join("ann")
        await host.ok(p.SetSlowMode(key(), 30))
        assert (await ann.link.next("slow_mode_changed"))["slow_mode_s"] == 30
        replies = [await ann.say(p.Chat(key(), "x")) for _ in range(2)]
        assert [r["type"] for r in replies] == ["ack", "error"]
        assert (replies[1]["code"], replies[1]["reason"]) == ("slow_mode", "slow_mode")
        assert 25_000 < replies[1]["retry_after_ms"] <= 30_000
        await host.ok(p.Chat(key(), "staff are free of it"))
        assert (await node.join("bob")).welcome["slow_mode_s"] == 30
        assert node.service.stats().refused_in == {("chat", "slow_mode"): 1}


async def test_who_is_not_heard_in_a_flood_is_told_and_consoles_see_the_rate(
    store_url: str, shop: ShopId, room: RoomId
) -> None:
    options = RoomOptions(chat_per_s=1000, chat_burst=1000, chat_room_per_s=10)
    async with Node(store_url, shop, room, options) as node:
        host = await node.join("hugo", "host")
        people = [await node.join(f"p{n}") for n in range(20)]
        replies = await asyncio.gather(*(who.say(p.Chat(key(), "x")) for who in people))
        shed = [reply for reply in replies if reply["type"] == "error"]
        assert {(r["code"], r["lane"], r["reason"]) for r in shed} == {
            ("chat_shed", "chat", "flood")
        }
        assert all(reply["retry_after_ms"] > 0 for reply in shed)
        shown = len(replies) - len(shed)
        assert 2 <= shown <= 5
        assert node.service.stats().refused_in == {("chat", "flood"): len(shed)}
        await host.ok(p.Chat(key(), "host and staff are always heard"))
        rate = await host.link.next("chat_rate")
        assert rate["received"] > rate["shown"]


async def test_who_was_acknowledged_and_then_not_shown_gets_a_receipt(
    store_url: str, shop: ShopId, room: RoomId
) -> None:
    async with Node(store_url, shop, room) as node:
        await node.join("hugo", "host")
        people = [await node.join(f"p{n}") for n in range(80)]
        replies = await asyncio.gather(*(who.say(p.Chat(key(), "x")) for who in people))
        made = {
            who: reply["result"]["message_id"] for who, reply in zip(people, replies, strict=True)
        }
        quick = people[0].link
        await quick.until(lambda: count(quick) == 80)
        receipts = [one for who in people for one in who.link.of("message_shed")]
        assert len(receipts) == sum(one["count"] for one in quick.of("shed"))
        for who in people:
            assert all(one["message_id"] == made[who] for one in who.link.of("message_shed"))
        assert node.service.stats().shed["chat", "flood"] >= len(receipts)


def count(link: RecordingLink) -> int:
    """Chat that arrived or that was told to be shed."""
    return len(link.of("chat_said")) + sum(int(one["count"]) for one in link.of("shed"))


async def test_a_full_server_takes_staff_only(store_url: str, shop: ShopId, room: RoomId) -> None:
    async with Node(store_url, shop, room, RoomOptions(max_viewers_node=2)) as node:
        ann = await node.join("ann")
        await node.join("bob")
        with pytest.raises(Refusal) as refused:
            await node.join("cat")
        assert (refused.value.code, refused.value.http) == ("server_full", 503)
        assert refused.value.retry_after_ms
        await node.join("hugo", "host")
        await ann.session.leave("client_closed")
        with pytest.raises(Refusal):
            await node.join("cat")
        await node.join("ann", conn=ann.welcome["conn"])


async def test_a_full_room_takes_staff_only(store_url: str, shop: ShopId, room: RoomId) -> None:
    async with Node(store_url, shop, room, RoomOptions(max_viewers=1)) as node:
        await node.join("ann")
        with pytest.raises(Refusal) as refused:
            await node.join("bob")
        assert refused.value.code == "room_full"
        await node.join("hugo", "host")


async def test_closing_sends_everybody_away(store_url: str, shop: ShopId, room: RoomId) -> None:
    node = Node(store_url, shop, room)
    async with node:
        host = await node.join("hugo", "host")
        ann = await node.join("ann")
    assert host.link.closed is ann.link.closed is CloseCode.SHUTTING_DOWN
    assert len(node.sink.of("room.left")) == 2
    with pytest.raises(Refusal) as refused:
        await node.join("bob")
    assert refused.value.code == "shutting_down"


async def test_detection_can_be_switched_off_for_a_server_or_a_room(
    store_url: str, shop: ShopId, room: RoomId
) -> None:
    for options in (
        RoomOptions(detect_questions=False),
        RoomOptions(undetected_rooms=frozenset({room})),
    ):
        async with Node(store_url, shop, room, options) as node:
            await node.join("hugo", "host")
            ann = await node.join("ann")
            ack = await ann.ok(p.Chat(key(), "这个适合油皮吗"))
            assert ack["result"].keys() == {"message_id"}

"""Fan-out: one encoding, slices, order for everybody."""

from __future__ import annotations

import asyncio

import pytest

from signaling import codec
from signaling.broadcast import SLICE, Broadcast, Member
from signaling.ids import Subject
from signaling.lane import Lane
from signaling.protocol import Batch, ChatSaid, Counts, SeatLeft
from signaling.tasks import TaskSet
from signaling.views import ChatView
from tests.support.rooms import RecordingLink


def chat(text: str) -> ChatSaid:
    return ChatSaid(chat=ChatView(text, "s", "n", "viewer", text, 1))


class Hall:
    def __init__(self, members: int) -> None:
        self.tasks = TaskSet("test")
        self.slow: list[Member] = []
        self.flushes = 0
        self.broadcast = Broadcast(self.tasks, on_slow=self.slow.append, on_flushed=self._flushed)
        self.links = [RecordingLink() for _ in range(members)]
        self.members = [Member(link, Subject("s"), False) for link in self.links]
        for member in self.members:
            self.broadcast.add(member)

    def _flushed(self) -> None:
        self.flushes += 1

    def say(self, text: str) -> None:
        self.broadcast.enqueue(Lane.CHAT, chat(text), f"e.{text}")
        self.broadcast.pump()

    def do(self, seat: int) -> None:
        event = SeatLeft(seat=seat, subject="s", reason="left", on_ms=1)
        self.broadcast.enqueue(Lane.CONTROL, event, f"e.{seat}")
        self.broadcast.pump()


async def test_the_first_of_a_quiet_spell_leaves_at_once_and_the_next_in_its_tick() -> None:
    hall = Hall(2)
    hall.say("1")
    assert [link.chats() for link in hall.links] == [["1"], ["1"]]
    hall.say("2")
    hall.say("3")
    assert not hall.broadcast.is_settled
    assert hall.links[0].chats() == ["1"]
    await hall.links[0].until_count("chat_said", 3)
    assert len(hall.links[0].batches) == 2
    assert hall.links[0].batches[-1]["chat"] == "e.3"
    assert hall.broadcast.is_settled


async def test_control_takes_waiting_chat_along() -> None:
    hall = Hall(1)
    hall.say("1")
    hall.say("2")
    hall.do(7)
    assert [m["type"] for m in hall.links[0].batches[-1]["messages"]] == ["seat_left", "chat_said"]


async def test_everybody_is_written_the_same_bytes_encoded_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encoded = 0
    encode = codec.encode

    def counting(batch: Batch, encoding: codec.Encoding) -> bytes:
        nonlocal encoded
        encoded += 1
        return encode(batch, encoding)

    monkeypatch.setattr(codec, "encode", counting)
    hall = Hall(50)
    hall.broadcast.add(Member(RecordingLink("msgpack"), Subject("s"), False))
    hall.say("1")
    assert encoded == 2


async def test_a_big_hall_is_written_in_slices_and_in_order() -> None:
    hall = Hall(2 * SLICE + 10)
    hall.do(1)
    assert hall.links[0].messages == [], "the pass begins in the next turn"
    await asyncio.sleep(0)
    assert hall.links[0].messages
    assert hall.links[-1].messages == []
    hall.do(2)
    hall.say("x")
    await hall.links[0].until_count("chat_said", 1)
    await hall.links[-1].until_count("chat_said", 1)
    for link in hall.links:
        assert [m.get("seat", "x") for m in link.messages] == [1, 2, "x"]
    await hall.tasks.close()


async def test_what_becomes_urgent_in_a_pass_costs_those_not_reached_no_further_write() -> None:
    hall = Hall(SLICE + 1)
    hall.say("x")
    await asyncio.sleep(0)
    assert (hall.links[0].writes, hall.links[-1].writes) == (1, 0)
    hall.do(1)
    await hall.links[0].until_count("seat_left", 1)
    assert (hall.links[0].writes, hall.links[-1].writes) == (2, 1)
    for link in (hall.links[0], hall.links[-1]):
        assert [m["type"] for m in link.messages] == ["chat_said", "seat_left"]
    await hall.tasks.close()


async def test_who_comes_in_a_pass_gets_nothing_older_and_who_goes_nothing_newer() -> None:
    hall = Hall(SLICE + 1)
    hall.do(1)
    await asyncio.sleep(0)
    late = RecordingLink()
    hall.broadcast.add(Member(late, Subject("s"), False))
    gone = hall.members[-1]
    hall.broadcast.discard(gone)
    hall.do(2)
    await late.until_count("seat_left", 1)
    assert [m["seat"] for m in late.messages] == [2]
    assert gone.link.messages == []  # type: ignore[attr-defined]
    await hall.tasks.close()


async def test_a_slow_member_is_taken_out_and_told_of() -> None:
    hall = Hall(2)
    hall.links[0].unsent_bytes = 10**9
    hall.say("1")
    assert hall.slow == [hall.members[0]]
    assert len(hall.broadcast) == 1
    assert hall.links[1].chats() == ["1"]


async def test_flush_now_sends_what_waits_before_something_personal() -> None:
    hall = Hall(1)
    hall.say("1")
    hall.say("2")
    hall.broadcast.flush_now()
    assert hall.links[0].chats() == ["1", "2"]
    hall.broadcast.flush_now()
    assert hall.flushes == 2


async def test_only_the_latest_counts_are_told() -> None:
    hall = Hall(1)
    for viewers in (1, 2, 3):
        hall.broadcast.enqueue(Lane.AMBIENT, Counts(viewers=viewers, likes=0))
    assert hall.broadcast.is_settled
    hall.broadcast.pump()
    assert [m["viewers"] for m in hall.links[0].of("counts")] == [3]
    hall.broadcast.close()

"""The outgoing queue: what leaves when, in which order, and what slow readers lose."""

from __future__ import annotations

import pytest

from signaling.lane import Lane
from signaling.lanes import MAX_BUFFERED_BYTES, Flush, LaneQueue, Reader, Verdict
from signaling.protocol import Ack, ChatSaid, Counts, OutMessage, QuestionDismissed, Shed
from signaling.views import ChatView


def control(name: str) -> OutMessage:
    return Ack(id=name)


def question(name: str) -> OutMessage:
    return QuestionDismissed(question_id=name, subject="s")


def chat(number: int, subject: str = "s") -> ChatSaid:
    return ChatSaid(
        chat=ChatView(
            message_id=f"m{number}",
            subject=subject,
            name="n",
            role="viewer",
            text="x",
            at_ms=number,
        )
    )


def counts(viewers: int) -> OutMessage:
    return Counts(viewers=viewers, likes=0)


def take(queue: LaneQueue, now: float) -> Flush:
    flush = queue.take_flush(now)
    assert flush is not None
    return flush


def test_nothing_waits_at_first() -> None:
    queue = LaneQueue()
    assert queue.next_deadline() is None
    assert queue.due_lane() is None
    assert queue.take_flush(1.0) is None


@pytest.mark.parametrize("lane", list(Lane))
def test_the_first_message_of_a_quiet_spell_leaves_at_once(lane: Lane) -> None:
    queue = LaneQueue()
    queue.enqueue(lane, control("a"), 10.0)
    assert queue.next_deadline() == 10.0
    assert queue.due_lane() is lane
    assert take(queue, 10.0).batch().messages == (control("a"),)
    assert queue.next_deadline() is None
    queue.enqueue(lane, control("b"), 20.0)
    assert queue.next_deadline() == 20.0


def test_control_always_leaves_at_once() -> None:
    queue = LaneQueue()
    for name in ("a", "b", "c"):
        queue.enqueue(Lane.CONTROL, control(name), 10.0)
        assert take(queue, 10.0).durable == (control(name),)


@pytest.mark.parametrize(
    ("lane", "tick_s"), [(Lane.QUESTION, 0.020), (Lane.CHAT, 0.050), (Lane.AMBIENT, 1.0)]
)
def test_while_busy_a_lane_leaves_in_ticks(lane: Lane, tick_s: float) -> None:
    queue = LaneQueue()
    queue.enqueue(lane, counts(1), 10.0)
    take(queue, 10.0)
    queue.enqueue(lane, counts(2), 10.001)
    assert queue.next_deadline() == pytest.approx(10.0 + tick_s)
    assert queue.take_flush(10.0 + tick_s - 0.001) is None
    assert take(queue, 10.0 + tick_s).batch().messages == (counts(2),)


def test_one_frame_in_lane_order_whatever_came_first() -> None:
    queue = LaneQueue()
    queue.enqueue(Lane.AMBIENT, counts(1), 10.0)
    queue.enqueue(Lane.CHAT, chat(1), 10.0)
    queue.enqueue(Lane.COMMERCE, Ack(id="order"), 10.0)
    queue.enqueue(Lane.QUESTION, question("q"), 10.0)
    queue.enqueue(Lane.CONTROL, control("a"), 10.0)
    assert take(queue, 10.0).batch().messages == (
        control("a"),
        question("q"),
        Ack(id="order"),
        chat(1),
        counts(1),
    )


def test_an_urgent_message_takes_waiting_chat_along_and_restarts_its_tick() -> None:
    queue = LaneQueue()
    queue.enqueue(Lane.CHAT, chat(1), 10.0)
    take(queue, 10.0)
    queue.enqueue(Lane.CHAT, chat(2), 10.010)
    queue.enqueue(Lane.CONTROL, control("a"), 10.020)
    assert take(queue, 10.020).batch().messages == (control("a"), chat(2))
    queue.enqueue(Lane.CHAT, chat(3), 10.030)
    assert queue.next_deadline() == pytest.approx(10.070)


def test_ambient_keeps_the_latest_of_each_type_and_waits_its_second() -> None:
    queue = LaneQueue()
    queue.enqueue(Lane.AMBIENT, counts(1), 10.0)
    take(queue, 10.0)
    for viewers in (2, 3, 4):
        queue.enqueue(Lane.AMBIENT, counts(viewers), 10.1)
    queue.enqueue(Lane.CONTROL, control("a"), 10.5)
    assert take(queue, 10.5).batch().messages == (control("a"),)
    assert queue.next_deadline() == 11.0
    assert take(queue, 11.0).batch().messages == (counts(4),)


def test_a_question_does_not_wait_for_a_flood_of_chat() -> None:
    queue = LaneQueue()
    now = 10.0
    for number in range(1_000):
        queue.enqueue(Lane.CHAT, chat(number), now)
        queue.take_flush(now)
        now += 0.001
    queue.enqueue(Lane.QUESTION, question("q"), now)
    assert queue.next_deadline() == now
    assert take(queue, now).durable == (question("q"),)


def test_a_flood_sheds_the_oldest_chat_counts_it_and_says_so() -> None:
    queue = LaneQueue(max_chat=3)
    for number in range(10):
        queue.enqueue(Lane.CHAT, chat(number), 10.0)
    flush = take(queue, 10.0)
    assert flush.chat == (chat(7), chat(8), chat(9))
    assert flush.shed_chat == 7
    assert flush.batch().messages[-1] == Shed(lane="chat", count=7, reason="flood")
    queue.enqueue(Lane.CHAT, chat(10), 20.0)
    assert take(queue, 20.0).shed_chat == 0


def test_a_flood_sheds_of_the_loudest_first_and_names_what_it_shed() -> None:
    queue = LaneQueue(max_chat=3)
    queue.enqueue(Lane.CHAT, chat(0, "quiet"), 10.0)
    for number in range(1, 6):
        queue.enqueue(Lane.CHAT, chat(number, "shout"), 10.0)
    flush = take(queue, 10.0)
    assert flush.chat == (chat(0, "quiet"), chat(4, "shout"), chat(5, "shout"))
    assert flush.shed == (chat(1, "shout"), chat(2, "shout"), chat(3, "shout"))
    assert take_after(queue, 20.0).shed == ()


def take_after(queue: LaneQueue, now: float) -> Flush:
    queue.enqueue(Lane.CHAT, chat(9), now)
    return take(queue, now)


def test_durable_lanes_lose_nothing() -> None:
    queue = LaneQueue(max_chat=1)
    for number in range(500):
        queue.enqueue(Lane.QUESTION, question(f"q{number}"), 10.0)
    assert len(take(queue, 10.0).durable) == 500


def test_positions_are_those_after_the_frame() -> None:
    queue = LaneQueue()
    queue.enqueue(Lane.CONTROL, control("a"), 10.0, "log-1")
    queue.enqueue(Lane.CHAT, chat(1), 10.0, "chat-1")
    queue.advance(Lane.QUESTION, "log-2")
    batch = take(queue, 10.0).batch()
    assert (batch.log, batch.chat) == ("log-2", "chat-1")
    queue.advance(Lane.CONTROL, "log-3")
    assert queue.next_deadline() is None, "a position alone is worth no frame"
    queue.enqueue(Lane.CHAT, chat(2), 20.0, "chat-2")
    batch = take(queue, 20.0).batch()
    assert (batch.log, batch.chat) == ("log-3", "chat-2")


def flush_of(chat_count: int, durable: bool, shed: int = 0) -> Flush:
    return Flush(
        durable=(control("a"),) if durable else (),
        chat=tuple(chat(number) for number in range(chat_count)),
        ambient=(),
        shed_chat=shed,
        log="log-1" if durable else None,
        chat_position="chat-1",
    )


def test_who_keeps_up_gets_everything() -> None:
    reader = Reader()
    assert reader.judge(flush_of(3, True), 0) is Verdict.ALL
    assert reader.take_shed() is None


def test_a_slow_reader_loses_chat_and_is_told_when_it_catches_up() -> None:
    reader = Reader()
    assert reader.judge(flush_of(3, True), 100) is Verdict.WITHOUT_CHAT
    assert reader.judge(flush_of(2, False, shed=5), 100) is Verdict.NOTHING
    assert reader.take_shed() is None, "not while it is slow"
    assert reader.judge(flush_of(1, False), 0) is Verdict.ALL
    assert reader.take_shed() == Shed(lane="chat", count=10, reason="slow_reader")
    assert reader.take_shed() is None


def test_a_frame_without_chat_holds_the_durable_lanes_and_their_position() -> None:
    batch = flush_of(3, True).batch_without_chat()
    assert batch is not None
    assert (batch.messages, batch.log, batch.chat) == ((control("a"),), "log-1", None)
    assert flush_of(3, False).batch_without_chat() is None


def test_a_reader_too_far_behind_is_closed() -> None:
    reader = Reader()
    assert reader.judge(flush_of(1, True), MAX_BUFFERED_BYTES) is Verdict.WITHOUT_CHAT
    assert reader.judge(flush_of(1, True), MAX_BUFFERED_BYTES + 1) is Verdict.CLOSE

from __future__ import annotations

import pytest

from loadtest.crowd import tally as tally_module
from loadtest.crowd.sums import MediaSums, MessageSums, Sums
from loadtest.crowd.tally import Present, Tally, Usage

NOBODY = Present(0, 0, 0)
IDLE = Usage(None, None, 0.1, 1.0)


def test_joining_is_counted_by_kind() -> None:
    tally = Tally()
    for seconds in (0.1, 0.3):
        tally.try_to("watch")
        tally.succeed("watch", seconds)
    tally.try_to("watch")
    totals = tally.totals(MediaSums(), MessageSums())
    (watch,) = totals.joined
    assert (watch.kind, watch.tried, watch.succeeded) == ("watch", 3, 2)
    assert watch.ms is not None
    assert (watch.ms.samples, watch.ms.worst) == (2, 300)


def test_loss_is_holes_of_what_should_have_come() -> None:
    tally = Tally()
    tally.try_to("watch")
    media = tally.totals(
        MediaSums(packets=100, bytes=5000, holes=25, duplicates=25), MessageSums()
    ).media
    assert media is not None
    assert media.percent == 25.0


def test_nobody_watching_is_not_zero_loss() -> None:
    assert Tally().totals(MediaSums(packets=3), MessageSums()).media is None


def test_latency_of_the_warm_up_is_shown_live_and_not_reported() -> None:
    tally = Tally()
    tally.see_latency(9.0)
    warm_up = tally.interval(1.0, 1.0, Sums(), NOBODY, IDLE)
    assert warm_up.latency_ms is not None
    assert warm_up.latency_ms.worst == 9000
    tally.begin_measuring()
    tally.see_latency(0.01)
    measured = tally.interval(2.0, 1.0, Sums(), NOBODY, IDLE)
    assert measured.latency_ms is not None
    assert (measured.latency_ms.samples, measured.latency_ms.worst) == (1, 10)
    totals = tally.totals(MediaSums(), MessageSums())
    assert totals.latency_ms is not None
    assert totals.latency_ms.worst == 10


def test_an_interval_holds_what_was_new_in_it() -> None:
    new = Sums(MediaSums(packets=10, bytes=1000, holes=-2), MessageSums(delivered={"chat": 7}))
    tally = Tally()
    tally.see_message("chat", 0.25)
    interval = tally.interval(4.0, 2.0, new, Present(1, 2, 3), IDLE)
    assert (interval.packets, interval.bits_per_s, interval.holes) == (10, 4000, 0)
    assert (interval.publishers, interval.viewers, interval.sockets) == (1, 2, 3)
    assert interval.lanes == {"chat": 7}
    assert interval.lane_delay_ms["chat"].p50 == 250
    assert tally.interval(6.0, 2.0, Sums(), NOBODY, IDLE).lane_delay_ms == {}


def test_chat_should_reach_every_socket_that_was_there() -> None:
    tally = Tally()
    tally.send("chat", 10)
    tally.send("chat", 12)
    tally.refuse("chat", "rate_limited")
    (chat,) = tally.totals(MediaSums(), MessageSums(shed=4, delivered={"chat": 18})).lanes
    assert (chat.sent, chat.refused, chat.expected, chat.delivered, chat.shed) == (2, 1, 22, 18, 4)
    assert [(c.text, c.count) for c in tally.complaints] == [("chat refused: rate_limited", 1)]


def test_a_question_that_nobody_in_charge_saw_is_lost() -> None:
    tally = Tally()
    tally.send("question")
    tally.send("question")
    unwatched = tally.totals(MediaSums(), MessageSums()).lanes[0]
    assert unwatched.lost is None
    tally.expect_questions()
    tally.see_question(0.004)
    (question,) = tally.totals(MediaSums(), MessageSums()).lanes
    assert question.lost == 1
    assert question.delay_ms is not None
    assert question.delay_ms.p99 == 4


def test_complaints_add_up_and_stay_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally_module, "COMPLAINTS_KEPT", 2)
    tally = Tally()
    for text in ("a", "b", "c", "d", "a"):
        tally.complain(text)
    assert {c.text: c.count for c in tally.complaints} == {"a": 2, "b": 1, "others": 2}

"""Questions: every (standing, command) pair, bounds, and who sees what."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling import commands as c
from signaling import questions, room_state
from signaling.actor import Actor
from signaling.ids import QuestionId
from signaling.protocol import (
    LogEvent,
    QuestionAnswered,
    QuestionAsked,
    QuestionClaimed,
    QuestionDismissed,
    QuestionExpired,
    QuestionJoined,
)
from signaling.questions import TABLE, Standing, standing_of
from signaling.rules import KEPT_ANSWERS, MAX_OPEN_QUESTIONS_EACH, RoomRules
from tests.support.room_driver import ANN, BEN, CAT, HOST, STAFF, RoomDriver, person

Q1 = QuestionId("q1")

COMMANDS: dict[str, c.RoomCommand] = {
    "Ask": c.Ask(ANN, Q1, "多少钱"),
    "AnswerQuestion": c.AnswerQuestion(STAFF, Q1, "99"),
    "DismissQuestion": c.DismissQuestion(STAFF, Q1),
    "ClaimQuestion": c.ClaimQuestion(STAFF, Q1),
    "ReleaseQuestion": c.ReleaseQuestion(HOST, Q1),
}


def room_with(standing: Standing) -> RoomDriver:
    room = RoomDriver()
    room.go_live()
    if standing is not Standing.UNKNOWN:
        room.ask(ANN, Q1)
    if standing is Standing.ANSWERED:
        room.do(COMMANDS["AnswerQuestion"])
    if standing is Standing.DISMISSED:
        room.do(COMMANDS["DismissQuestion"])
    if standing is Standing.CLAIMED:
        room.do(COMMANDS["ClaimQuestion"])
    if standing is Standing.EXPIRED:
        room.advance(room.state.rules.question_ttl_ms)
    return room


@pytest.mark.parametrize("standing", list(Standing))
@pytest.mark.parametrize("name", TABLE.inputs)
def test_every_pair_follows_the_table(standing: Standing, name: str) -> None:
    room = room_with(standing)
    step = TABLE.step(standing, name)
    assert standing_of(room.state.questions, Q1) is standing
    if step.refusal is not None:
        assert room.refusal_of(COMMANDS[name]) == step.refusal
        return
    before = room.state
    events = room.do(COMMANDS[name])
    expected = standing if step.to is None else step.to
    assert standing_of(room.state.questions, Q1) is expected
    if step.is_stay:
        assert (events, room.state) == ((), before)


def test_asking_tells_who_asks_what_and_when() -> None:
    room = room_with(Standing.UNKNOWN)
    (asked,) = room.do(c.Ask(ANN, Q1, "这个适合油皮吗？", product_id="p7"))
    assert isinstance(asked, QuestionAsked)
    question = asked.question
    assert (question.subject, question.name, question.text) == (
        ANN.subject,
        "ann",
        "这个适合油皮吗？",
    )
    assert (question.product_id, question.asked_ms) == ("p7", room.now_ms)


def test_answering_measures_the_response_time_and_names_the_answerer() -> None:
    room = room_with(Standing.OPEN)
    room.now_ms += 8_250
    (answered,) = room.do(c.AnswerQuestion(HOST, Q1))
    assert isinstance(answered, QuestionAnswered)
    assert answered.response_ms == 8_250
    assert (answered.question.phase, answered.question.answered_by) == ("answered", "host")
    assert answered.question.answer is None


def test_dismissing_names_the_asker_so_that_they_hear_it() -> None:
    room = room_with(Standing.OPEN)
    assert room.do(c.DismissQuestion(STAFF, Q1)) == (
        QuestionDismissed(question_id="q1", subject=ANN.subject),
    )


def test_staff_see_all_open_questions_and_others_their_own() -> None:
    room = room_with(Standing.UNKNOWN)
    room.ask(ANN, "a1")
    room.ask(BEN, "b1")
    room.ask(BEN, "b2")
    room.do(c.AnswerQuestion(HOST, QuestionId("b1")))

    def ids(subject: str, is_staff: bool) -> list[str]:
        views = questions.views_for(room.state.questions, subject, is_staff)
        return [view.question_id for view in views]

    assert ids(HOST.subject, True) == ["a1", "b2", "b1"]
    assert ids(ANN.subject, False) == ["a1", "b1"]
    assert ids("s-nobody", False) == ["b1"]


def test_one_person_cannot_fill_the_queue() -> None:
    room = room_with(Standing.UNKNOWN)
    for number in range(MAX_OPEN_QUESTIONS_EACH):
        room.ask(ANN, f"a{number}")
    assert room.refusal_of(c.Ask(ANN, QuestionId("more"), "?")) == "too_many_questions"
    room.ask(BEN, "b1")


def test_the_queue_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "MAX_OPEN_QUESTIONS", 1)
    room = room_with(Standing.OPEN)
    assert room.refusal_of(c.Ask(BEN, QuestionId("b1"), "?")) == "too_many_questions"


def test_answers_and_dismissals_are_kept_only_so_far() -> None:
    room = room_with(Standing.UNKNOWN)
    for number in range(KEPT_ANSWERS + 1):
        room.ask(ANN, f"q{number}")
        room.do(c.AnswerQuestion(HOST, QuestionId(f"q{number}")))
        room.ask(BEN, f"d{number}")
        room.do(c.DismissQuestion(HOST, QuestionId(f"d{number}")))
    state = room.state.questions
    assert (len(state.answered), len(state.dismissed)) == (KEPT_ANSWERS, questions.KEPT_DISMISSED)
    assert standing_of(state, "q0") is Standing.UNKNOWN
    assert standing_of(state, f"q{KEPT_ANSWERS}") is Standing.ANSWERED


def test_questions_wait_before_a_show_and_outlive_it() -> None:
    room = RoomDriver()
    room.ask(ANN, "early")
    room.go_live()
    room.do(c.EndShow(HOST))
    assert room.refusal_of(c.Ask(ANN, QuestionId("late"), "?")) == "not_live"
    (answered,) = room.do(c.AnswerQuestion(HOST, QuestionId("early"), "有的"))
    assert isinstance(answered, QuestionAnswered)


def ask_alike(
    room: RoomDriver, who: Actor, ask_id: str, into: str | None = "q1", key: str | None = None
) -> tuple[LogEvent, ...]:
    known = None if into is None else QuestionId(into)
    return room.do(c.Ask(who, QuestionId(ask_id), "油皮能用吗", into=known, key=key))


def test_who_asks_the_same_joins_the_card() -> None:
    room = room_with(Standing.OPEN)
    room.now_ms += 1_000
    (joined,) = ask_alike(room, BEN, "q2")
    assert joined == QuestionJoined(
        question_id="q1",
        ask_id="q2",
        subject=BEN.subject,
        name="ben",
        text="油皮能用吗",
        asked_ms=room.now_ms,
        count=2,
    )
    (card,) = questions.views_for(room.state.questions, BEN.subject, False)
    assert (card.question_id, card.count, card.askers, card.mine) == ("q1", 2, ("ann", "ben"), True)
    assert questions.views_for(room.state.questions, CAT.subject, False) == ()


def test_who_asks_again_is_counted_once() -> None:
    room = room_with(Standing.OPEN)
    ask_alike(room, BEN, "q2")
    before = room.state
    assert ask_alike(room, BEN, "q3") == ask_alike(room, ANN, "q4") == ()
    assert room.state == before


def test_two_nodes_that_race_make_one_card_of_equal_questions() -> None:
    room = room_with(Standing.UNKNOWN)
    ask_alike(room, ANN, "a", into=None, key="k")
    ask_alike(room, BEN, "b", into=None, key="k")
    ask_alike(room, CAT, "c", into=None, key="other")
    assert [(q.question_id, q.count) for q in room.state.questions.open] == [("a", 2), ("c", 1)]


def test_a_card_that_was_closed_meanwhile_takes_nobody() -> None:
    room = room_with(Standing.ANSWERED)
    (asked,) = ask_alike(room, BEN, "q2")
    assert isinstance(asked, QuestionAsked)
    assert asked.question.question_id == "q2"


def test_a_full_card_is_followed_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "MAX_ASKERS", 1)
    room = room_with(Standing.UNKNOWN)
    for who in (ANN, BEN, CAT, HOST):
        ask_alike(room, who, who.name, into="ann", key="k")
    assert [(q.question_id, q.count) for q in room.state.questions.open] == [("ann", 2), ("cat", 2)]
    assert ask_alike(room, HOST, "again", into="ann", key="k") == ()


def test_askers_are_bounded_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "MAX_OPEN_ASKERS", 1)
    room = room_with(Standing.OPEN)
    ask_alike(room, BEN, "q2")
    refused = room.refusal_of(c.Ask(CAT, QuestionId("q3"), "?", into=Q1))
    assert refused == "too_many_questions"


def test_chat_leaves_the_queue_to_those_who_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "MAX_OPEN_DETECTED", 1)
    room = room_with(Standing.OPEN)
    detected = c.Ask(BEN, QuestionId("q2"), "?", source="detected")
    assert room.refusal_of(detected) == "too_many_questions"
    room.ask(BEN, "q3")
    joining = c.Ask(CAT, QuestionId("q4"), "?", source="detected", into=Q1)
    assert room.refusal_of(joining) is None


def test_an_answer_names_the_askers_and_counts_them_all() -> None:
    room = room_with(Standing.OPEN)
    for number in range(questions.KEPT_ASKERS + 5):
        ask_alike(room, person(f"p{number}"), f"ask{number}")
    (answered,) = room.do(c.AnswerQuestion(HOST, Q1))
    assert isinstance(answered, QuestionAnswered)
    assert answered.question.count == questions.KEPT_ASKERS + 6
    assert answered.question.askers[:3] == ("ann", "p0", "p1")
    assert len(answered.question.askers) == questions.SHOWN_ASKERS
    assert len(room.state.questions.answered[0].others) == questions.KEPT_ASKERS


def test_dismissing_what_several_asked_is_told_to_all() -> None:
    room = room_with(Standing.OPEN)
    ask_alike(room, BEN, "q2")
    assert room.do(COMMANDS["DismissQuestion"]) == (
        QuestionDismissed(question_id="q1", subject=""),
    )


def test_a_claim_is_told_and_belongs_to_one() -> None:
    room = room_with(Standing.OPEN)
    claimed = QuestionClaimed(question_id="q1", by="staff", claimed_ms=room.now_ms)
    assert room.do(c.ClaimQuestion(STAFF, Q1)) == (claimed,)
    assert room.do(c.ClaimQuestion(STAFF, Q1)) == ()
    assert room.refusal_of(c.ClaimQuestion(HOST, Q1)) == "question_claimed"
    assert room.refusal_of(c.ClaimQuestion(ANN, Q1)) == "forbidden"
    assert room.do(c.ReleaseQuestion(HOST, Q1)) == (QuestionClaimed(question_id="q1"),)
    room.do(c.ClaimQuestion(HOST, Q1))
    (answered,) = room.do(c.AnswerQuestion(STAFF, Q1))
    assert isinstance(answered, QuestionAnswered)


def test_what_nobody_answers_expires_at_its_own_time() -> None:
    room = RoomDriver(RoomRules(question_ttl_ms=10_000))
    room.ask(ANN, "a")
    room.now_ms += 4_000
    room.ask(BEN, "b")
    assert room.advance(5_999) == ()
    assert room.advance(1) == (QuestionExpired(question_id="a", subject=ANN.subject),)
    assert [q.question_id for q in room.state.questions.open] == ["b"]
    assert room.advance(3_999) == ()
    assert room.advance(1) == (QuestionExpired(question_id="b", subject=BEN.subject),)


def test_questions_of_an_older_version_never_expire() -> None:
    old = questions.Question(Q1, ANN.subject, "ann", "?", asked_ms=1)
    assert (old.expires_ms, old.count, old.key) == (0, 1, None)
    state = questions.QuestionsState(open=(old,))
    assert questions.next_deadline_ms(state) is None
    assert questions.expire(state, 10**15) == (state, ())


_asks = st.tuples(
    st.sampled_from([ANN, BEN, CAT, STAFF]),
    st.sampled_from(["a", "b", "c", None]),
    st.sampled_from(["k1", "k2", None]),
    st.booleans(),
)


@given(st.lists(_asks, max_size=40))
def test_counts_are_distinct_askers_and_nothing_is_lost(asks: list[Any]) -> None:
    """Every asking is in one card, once a person; the same commands give the same state."""
    one, other = RoomDriver(), RoomDriver()
    asked: list[str] = []
    heard: list[str] = []
    closed: list[str] = []
    for number, (who, into, key, closes) in enumerate(asks):
        name = f"{into or 'n'}{number}"
        target = next((q.question_id for q in one.state.questions.open if into == q.text), None)
        command = c.Ask(who, QuestionId(name), into or "?", into=target, key=key)
        events = one.do(command)
        assert other.do(command) == events
        known = one.state.questions.open
        for event in events:
            if isinstance(event, QuestionAsked):
                heard.append(event.question.question_id)
            elif isinstance(event, QuestionJoined):
                heard.append(event.ask_id)
        if events:
            asked.append(name)
        else:
            alike = [q for q in known if q.question_id == target or (key and q.key == key)]
            assert any(q.is_of(who.subject) for q in alike)
        if closes and known:
            closing = c.DismissQuestion(HOST, known[0].question_id)
            closed += [known[0].question_id, *(a.ask_id for a in known[0].others)]
            assert one.do(closing) == other.do(closing)
    assert heard == asked
    cards = one.state.questions.open
    held = [i for q in cards for i in (q.question_id, *(a.ask_id for a in q.others))]
    assert sorted([*held, *closed]) == sorted(asked)
    for card in cards:
        people = {card.subject, *(a.subject for a in card.others)}
        assert len(people) == card.count == 1 + len(card.others)
    assert one.state == other.state == room_state.decode(room_state.encode(one.state))

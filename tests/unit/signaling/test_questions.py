"""Questions: every (standing, command) pair, bounds, and who sees what."""

from __future__ import annotations

import pytest

from signaling import commands as c
from signaling import questions
from signaling.ids import QuestionId
from signaling.protocol import QuestionAnswered, QuestionAsked, QuestionDismissed
from signaling.questions import TABLE, Standing, standing_of
from signaling.rules import KEPT_ANSWERS, MAX_OPEN_QUESTIONS_EACH
from tests.support.room_driver import ANN, BEN, HOST, STAFF, RoomDriver

Q1 = QuestionId("q1")

COMMANDS: dict[str, c.RoomCommand] = {
    "Ask": c.Ask(ANN, Q1, "多少钱"),
    "AnswerQuestion": c.AnswerQuestion(STAFF, Q1, "99"),
    "DismissQuestion": c.DismissQuestion(STAFF, Q1),
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

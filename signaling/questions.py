"""Buyer questions: open, answered, dismissed. A pure fold.

`apply(state, command, now_ms, show_id) -> (state, events)`. Open questions outlive the show they
were asked in (an answer a minute after the end still helps to sell); answered ones are kept only
as far as newcomers are shown them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from signaling import commands as c
from signaling.actor import Actor
from signaling.errors import Refusal
from signaling.ids import QuestionId, ShowId, Subject
from signaling.protocol import LogEvent, QuestionAnswered, QuestionAsked, QuestionDismissed
from signaling.rules import KEPT_ANSWERS, MAX_OPEN_QUESTIONS, MAX_OPEN_QUESTIONS_EACH
from signaling.transitions import Step, Table
from signaling.views import QuestionPhase, QuestionView, Role

KEPT_DISMISSED: Final = 50
"""Ids remembered so that a second console pressing late hears `question_closed`."""


class Question(msgspec.Struct, frozen=True, array_like=True):
    """Stored as an array: new fields go to the end and have a default.

    `answered_role` tells host from staff in the engagement facts.
    """

    question_id: QuestionId
    subject: Subject
    name: str
    text: str
    asked_ms: int
    show_id: ShowId = ShowId("")
    product_id: str | None = None
    answered_ms: int | None = None
    answered_by: str | None = None
    answered_role: Role | None = None
    answer: str | None = None


class QuestionsState(msgspec.Struct, frozen=True):
    """`open` oldest first; `answered` and `dismissed` in order of closing, bounded."""

    open: tuple[Question, ...] = ()
    answered: tuple[Question, ...] = ()
    dismissed: tuple[QuestionId, ...] = ()

    def find_open(self, question_id: str) -> Question | None:
        return next((q for q in self.open if q.question_id == question_id), None)

    def find_answered(self, question_id: str) -> Question | None:
        return next((q for q in self.answered if q.question_id == question_id), None)


class Standing(StrEnum):
    """`UNKNOWN` also after a closed question was forgotten."""

    UNKNOWN = "unknown"
    OPEN = "open"
    ANSWERED = "answered"
    DISMISSED = "dismissed"


_STAY: Final[Step[Standing]] = Step()
_NOT_FOUND: Final[Step[Standing]] = Step(refusal="question_not_found")
_CLOSED: Final[Step[Standing]] = Step(refusal="question_closed")

TABLE: Final = Table[Standing](
    tuple(Standing),
    {
        "Ask": {
            Standing.UNKNOWN: Step(to=Standing.OPEN, may_refuse=("too_many_questions",)),
            Standing.OPEN: _STAY,
            Standing.ANSWERED: _STAY,
            Standing.DISMISSED: _STAY,
        },
        "AnswerQuestion": {
            Standing.UNKNOWN: _NOT_FOUND,
            Standing.OPEN: Step(to=Standing.ANSWERED),
            Standing.ANSWERED: _CLOSED,
            Standing.DISMISSED: _CLOSED,
        },
        "DismissQuestion": {
            Standing.UNKNOWN: _NOT_FOUND,
            Standing.OPEN: Step(to=Standing.DISMISSED),
            Standing.ANSWERED: _CLOSED,
            Standing.DISMISSED: _CLOSED,
        },
    },
    first=Standing.UNKNOWN,
)

Changed = tuple[QuestionsState, tuple[LogEvent, ...]]


def standing_of(state: QuestionsState, question_id: str) -> Standing:
    if state.find_open(question_id) is not None:
        return Standing.OPEN
    if state.find_answered(question_id) is not None:
        return Standing.ANSWERED
    return Standing.DISMISSED if question_id in state.dismissed else Standing.UNKNOWN


def apply(state: QuestionsState, command: c.RoomCommand, now_ms: int, show_id: ShowId) -> Changed:
    """Fold one command; commands of other folds change nothing. Raises `Refusal`.

    `show_id` is the show in which a question is asked, empty before the first.
    """
    match command:
        case c.Ask():
            return _ask(state, command, now_ms, show_id)
        case c.AnswerQuestion():
            return _answer(state, command, now_ms)
        case c.DismissQuestion():
            return _dismiss(state, command)
        case _:
            return state, ()


def view(question: Question) -> QuestionView:
    phase: QuestionPhase = "open" if question.answered_ms is None else "answered"
    return QuestionView(
        question_id=question.question_id,
        subject=question.subject,
        name=question.name,
        text=question.text,
        asked_ms=question.asked_ms,
        phase=phase,
        product_id=question.product_id,
        answered_ms=question.answered_ms,
        answered_by=question.answered_by,
        answer=question.answer,
    )


def views_for(state: QuestionsState, subject: str, is_staff: bool) -> tuple[QuestionView, ...]:
    """Open ones (all for staff, else own), oldest first, then the latest answered."""
    own = [q for q in state.open if is_staff or q.subject == subject]
    return tuple(view(q) for q in (*own, *state.answered))


def _ask(state: QuestionsState, command: c.Ask, now_ms: int, show_id: ShowId) -> Changed:
    actor = command.actor
    if not _check(state, command.question_id, "Ask"):
        return state, ()
    _check_room_for(state, actor)
    question = Question(
        question_id=command.question_id,
        subject=actor.subject,
        name=actor.name,
        text=command.text,
        asked_ms=now_ms,
        show_id=show_id,
        product_id=command.product_id,
    )
    state = msgspec.structs.replace(state, open=(*state.open, question))
    return state, (QuestionAsked(question=view(question)),)


def _check_room_for(state: QuestionsState, actor: Actor) -> None:
    if len(state.open) >= MAX_OPEN_QUESTIONS:
        raise Refusal("too_many_questions", lane="question")
    own = sum(1 for q in state.open if q.subject == actor.subject)
    if own >= MAX_OPEN_QUESTIONS_EACH:
        raise Refusal("too_many_questions", "You have too many open questions.", lane="question")


def _answer(state: QuestionsState, command: c.AnswerQuestion, now_ms: int) -> Changed:
    question = _take(state, command)
    answered = msgspec.structs.replace(
        question,
        answered_ms=now_ms,
        answered_by=command.actor.name,
        answered_role=command.actor.role,
        answer=command.text,
    )
    state = _without(state, question)
    kept = (*state.answered, answered)[-KEPT_ANSWERS:]
    event = QuestionAnswered(
        question=view(answered), response_ms=max(0, now_ms - question.asked_ms)
    )
    return msgspec.structs.replace(state, answered=kept), (event,)


def _dismiss(state: QuestionsState, command: c.DismissQuestion) -> Changed:
    question = _take(state, command)
    state = _without(state, question)
    dismissed = (*state.dismissed, question.question_id)[-KEPT_DISMISSED:]
    event = QuestionDismissed(question_id=question.question_id, subject=question.subject)
    return msgspec.structs.replace(state, dismissed=dismissed), (event,)


def _take(state: QuestionsState, command: c.AnswerQuestion | c.DismissQuestion) -> Question:
    """The open question that a console wants to close; raises `Refusal`."""
    _check(state, command.question_id, type(command).__name__)
    question = state.find_open(command.question_id)
    assert question is not None, "the table let a command through that needs an open question"
    return question


def _without(state: QuestionsState, question: Question) -> QuestionsState:
    rest = tuple(q for q in state.open if q is not question)
    return msgspec.structs.replace(state, open=rest)


def _check(state: QuestionsState, question_id: str, name: str) -> bool:
    """False when the table says that nothing happens; raises the refusal it lists."""
    step = TABLE.step(standing_of(state, question_id), name)
    if step.refusal is not None:
        raise Refusal(step.refusal)
    return not step.is_stay

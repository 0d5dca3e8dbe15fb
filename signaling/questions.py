"""Buyer questions: open, claimed, answered, dismissed, expired. A pure fold.

A card is one question and everybody who asks it. What is near enough to be one is found outside
(`signaling/question_finder.py`) and comes with the command; here it is decided, so that every node
and every replay makes the same cards.

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
from signaling.protocol import (
    LogEvent,
    QuestionAnswered,
    QuestionAsked,
    QuestionClaimed,
    QuestionDismissed,
    QuestionExpired,
    QuestionJoined,
)
from signaling.rules import (
    KEPT_ANSWERS,
    MAX_ASKERS,
    MAX_OPEN_ASKERS,
    MAX_OPEN_DETECTED,
    MAX_OPEN_QUESTIONS,
    MAX_OPEN_QUESTIONS_EACH,
    RoomRules,
)
from signaling.transitions import Step, Table
from signaling.views import QuestionPhase, QuestionSource, QuestionView, Role

KEPT_DISMISSED: Final = 50
"""Ids remembered so that a second console pressing late hears `question_closed`."""
KEPT_ASKERS: Final = 40
"""Of an answered card: so many find it among their own when they open the page anew."""
SHOWN_ASKERS: Final = 8
"""Names that a card shows; the count says how many there are."""


class Asker(msgspec.Struct, frozen=True, array_like=True):
    """Somebody who asked what was open already. Stored as an array, as `Question`."""

    ask_id: QuestionId
    subject: Subject
    name: str
    asked_ms: int
    show_id: ShowId = ShowId("")
    source: QuestionSource = "asked"


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
    source: QuestionSource = "asked"
    intent: str | None = None
    reasons: tuple[str, ...] = ()
    key: str | None = None
    others: tuple[Asker, ...] = ()
    others_total: int = 0
    """All that folded in; `others` of an answered card are only the first of them."""
    claimed_by: str | None = None
    claimed_subject: Subject | None = None
    claimed_ms: int | None = None
    expires_ms: int = 0
    """0: never (asked before questions expired)."""

    @property
    def count(self) -> int:
        """People who ask it."""
        return 1 + self.others_total

    def is_of(self, subject: str) -> bool:
        """True when this person asked it, first or later."""
        return self.subject == subject or any(a.subject == subject for a in self.others)


class QuestionsState(msgspec.Struct, frozen=True):
    """`open` oldest first; the others in order of closing, bounded."""

    open: tuple[Question, ...] = ()
    answered: tuple[Question, ...] = ()
    dismissed: tuple[QuestionId, ...] = ()
    expired: tuple[QuestionId, ...] = ()

    def find_open(self, question_id: str) -> Question | None:
        return next((q for q in self.open if q.question_id == question_id), None)

    def find_answered(self, question_id: str) -> Question | None:
        return next((q for q in self.answered if q.question_id == question_id), None)


class Standing(StrEnum):
    """`UNKNOWN` also after a closed question was forgotten."""

    UNKNOWN = "unknown"
    OPEN = "open"
    CLAIMED = "claimed"
    ANSWERED = "answered"
    DISMISSED = "dismissed"
    EXPIRED = "expired"


_STAY: Final[Step[Standing]] = Step()
_NOT_FOUND: Final[Step[Standing]] = Step(refusal="question_not_found")
_CLOSED: Final[Step[Standing]] = Step(refusal="question_closed")

_CLOSED_STEPS: Final = {
    Standing.ANSWERED: _CLOSED,
    Standing.DISMISSED: _CLOSED,
    Standing.EXPIRED: _CLOSED,
}

TABLE: Final = Table[Standing](
    tuple(Standing),
    {
        "Ask": {
            Standing.UNKNOWN: Step(to=Standing.OPEN, may_refuse=("too_many_questions",)),
            Standing.OPEN: _STAY,
            Standing.CLAIMED: _STAY,
            Standing.ANSWERED: _STAY,
            Standing.DISMISSED: _STAY,
            Standing.EXPIRED: _STAY,
        },
        "ClaimQuestion": {
            Standing.UNKNOWN: _NOT_FOUND,
            Standing.OPEN: Step(to=Standing.CLAIMED),
            Standing.CLAIMED: Step(may_refuse=("question_claimed",)),
            **_CLOSED_STEPS,
        },
        "ReleaseQuestion": {
            Standing.UNKNOWN: _NOT_FOUND,
            Standing.OPEN: _STAY,
            Standing.CLAIMED: Step(to=Standing.OPEN),
            **_CLOSED_STEPS,
        },
        "AnswerQuestion": {
            Standing.UNKNOWN: _NOT_FOUND,
            Standing.OPEN: Step(to=Standing.ANSWERED),
            Standing.CLAIMED: Step(to=Standing.ANSWERED),
            **_CLOSED_STEPS,
        },
        "DismissQuestion": {
            Standing.UNKNOWN: _NOT_FOUND,
            Standing.OPEN: Step(to=Standing.DISMISSED),
            Standing.CLAIMED: Step(to=Standing.DISMISSED),
            **_CLOSED_STEPS,
        },
    },
    first=Standing.UNKNOWN,
)

Changed = tuple[QuestionsState, tuple[LogEvent, ...]]


def standing_of(state: QuestionsState, question_id: str) -> Standing:
    """How a card stands; askings that folded into one are no cards."""
    question = state.find_open(question_id)
    if question is not None:
        return Standing.OPEN if question.claimed_by is None else Standing.CLAIMED
    if state.find_answered(question_id) is not None:
        return Standing.ANSWERED
    if question_id in state.expired:
        return Standing.EXPIRED
    return Standing.DISMISSED if question_id in state.dismissed else Standing.UNKNOWN


def apply(
    state: QuestionsState, command: c.RoomCommand, now_ms: int, show_id: ShowId, rules: RoomRules
) -> Changed:
    """Fold one command; commands of other folds change nothing. Raises `Refusal`.

    `show_id` is the show in which a question is asked, empty before the first.
    """
    match command:
        case c.Ask():
            return _ask(state, command, now_ms, show_id, rules)
        case c.ClaimQuestion():
            return _claim(state, command, now_ms)
        case c.ReleaseQuestion():
            return _release(state, command)
        case c.AnswerQuestion():
            return _answer(state, command, now_ms)
        case c.DismissQuestion():
            return _dismiss(state, command)
        case _:
            return state, ()


def card_of(state: QuestionsState, command: c.Ask) -> QuestionId:
    """The card in which an asking is, once it was folded."""
    if state.find_open(command.question_id) is not None:
        return command.question_id
    alike = (q for q in state.open if _is_alike(q, command) and q.is_of(command.actor.subject))
    return next((q.question_id for q in alike), command.question_id)


def next_deadline_ms(state: QuestionsState) -> int | None:
    """When the oldest open question expires, Unix ms."""
    return next((q.expires_ms for q in state.open if q.expires_ms), None)


def expire(state: QuestionsState, now_ms: int) -> Changed:
    """Close what nobody answered in time."""
    gone = [q for q in state.open if 0 < q.expires_ms <= now_ms]
    if not gone:
        return state, ()
    rest = tuple(q for q in state.open if not 0 < q.expires_ms <= now_ms)
    expired = (*state.expired, *(q.question_id for q in gone))[-KEPT_DISMISSED:]
    events = tuple(QuestionExpired(question_id=q.question_id, subject=_sole(q)) for q in gone)
    return msgspec.structs.replace(state, open=rest, expired=expired), events


def view(question: Question, subject: str | None = None) -> QuestionView:
    """The card as it travels; with `subject` it says whether it is that person's."""
    phase: QuestionPhase = "open" if question.answered_ms is None else "answered"
    names: tuple[str, ...] = ()
    if question.others:
        names = (question.name, *(a.name for a in question.others[: SHOWN_ASKERS - 1]))
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
        count=question.count,
        askers=names,
        source=question.source,
        intent=question.intent,
        reasons=question.reasons,
        claimed_by=question.claimed_by,
        claimed_ms=question.claimed_ms,
        mine=subject is not None and question.is_of(subject),
    )


def views_for(state: QuestionsState, subject: str, is_staff: bool) -> tuple[QuestionView, ...]:
    """Open ones (all for staff, else own), oldest first, then the latest answered."""
    own = [q for q in state.open if is_staff or q.is_of(subject)]
    return tuple(view(q, subject) for q in (*own, *state.answered))


def _ask(
    state: QuestionsState, command: c.Ask, now_ms: int, show_id: ShowId, rules: RoomRules
) -> Changed:
    if not _check(state, command.question_id, "Ask"):
        return state, ()
    actor = command.actor
    alike = [q for q in state.open if _is_alike(q, command)]
    if any(q.is_of(actor.subject) for q in alike):
        return state, ()  # who asks again is counted once
    _check_room_for(state, actor)
    joinable = (q for q in alike if q.count <= MAX_ASKERS)
    # The one that was found first, as it is the most alike; a stable order for the rest.
    card = min(joinable, key=lambda q: q.question_id != command.into, default=None)
    if card is not None:
        return _join(state, card, command, now_ms, show_id)
    is_asked = command.source == "asked"
    if len(state.open) >= (MAX_OPEN_QUESTIONS if is_asked else MAX_OPEN_DETECTED):
        raise Refusal("too_many_questions", lane="question")
    question = Question(
        question_id=command.question_id,
        subject=actor.subject,
        name=actor.name,
        text=command.text,
        asked_ms=now_ms,
        show_id=show_id,
        product_id=command.product_id,
        source=command.source,
        intent=command.intent,
        reasons=command.reasons,
        key=command.key,
        expires_ms=now_ms + rules.question_ttl_ms,
    )
    state = msgspec.structs.replace(state, open=(*state.open, question))
    return state, (QuestionAsked(question=view(question)),)


def _is_alike(question: Question, command: c.Ask) -> bool:
    if command.into is not None and question.question_id == command.into:
        return True
    return command.key is not None and question.key == command.key


def _join(
    state: QuestionsState, card: Question, command: c.Ask, now_ms: int, show_id: ShowId
) -> Changed:
    actor = command.actor
    asker = Asker(command.question_id, actor.subject, actor.name, now_ms, show_id, command.source)
    joined = msgspec.structs.replace(
        card, others=(*card.others, asker), others_total=card.others_total + 1
    )
    event = QuestionJoined(
        question_id=card.question_id,
        ask_id=asker.ask_id,
        subject=asker.subject,
        name=asker.name,
        text=command.text,
        asked_ms=now_ms,
        count=joined.count,
        source=command.source,
    )
    return _replaced(state, card, joined), (event,)


def _check_room_for(state: QuestionsState, actor: Actor) -> None:
    own = sum(1 for q in state.open if q.is_of(actor.subject))
    if own >= MAX_OPEN_QUESTIONS_EACH:
        raise Refusal("too_many_questions", "You have too many open questions.", lane="question")
    if sum(q.others_total for q in state.open) >= MAX_OPEN_ASKERS:
        raise Refusal("too_many_questions", lane="question")


def _claim(state: QuestionsState, command: c.ClaimQuestion, now_ms: int) -> Changed:
    actor = command.actor
    is_free = _check(state, command.question_id, "ClaimQuestion")
    question = _open_one(state, command)
    if not is_free:
        if question.claimed_subject != actor.subject:
            raise Refusal("question_claimed")
        return state, ()
    claimed = msgspec.structs.replace(
        question, claimed_by=actor.name, claimed_subject=actor.subject, claimed_ms=now_ms
    )
    event = QuestionClaimed(question_id=question.question_id, by=actor.name, claimed_ms=now_ms)
    return _replaced(state, question, claimed), (event,)


def _release(state: QuestionsState, command: c.ReleaseQuestion) -> Changed:
    if not _check(state, command.question_id, "ReleaseQuestion"):
        return state, ()
    question = _open_one(state, command)
    free = msgspec.structs.replace(question, claimed_by=None, claimed_subject=None, claimed_ms=None)
    return _replaced(state, question, free), (QuestionClaimed(question_id=question.question_id),)


def _answer(state: QuestionsState, command: c.AnswerQuestion, now_ms: int) -> Changed:
    _check(state, command.question_id, "AnswerQuestion")
    question = _open_one(state, command)
    answered = msgspec.structs.replace(
        question,
        answered_ms=now_ms,
        answered_by=command.actor.name,
        answered_role=command.actor.role,
        answer=command.text,
        reasons=(),
        others=question.others[:KEPT_ASKERS],
        claimed_by=None,
        claimed_subject=None,
        claimed_ms=None,
    )
    state = _without(state, question)
    kept = (*state.answered, answered)[-KEPT_ANSWERS:]
    event = QuestionAnswered(
        question=view(answered), response_ms=max(0, now_ms - question.asked_ms)
    )
    return msgspec.structs.replace(state, answered=kept), (event,)


def _dismiss(state: QuestionsState, command: c.DismissQuestion) -> Changed:
    _check(state, command.question_id, "DismissQuestion")
    question = _open_one(state, command)
    state = _without(state, question)
    dismissed = (*state.dismissed, question.question_id)[-KEPT_DISMISSED:]
    event = QuestionDismissed(question_id=question.question_id, subject=_sole(question))
    return msgspec.structs.replace(state, dismissed=dismissed), (event,)


def _sole(question: Question) -> str:
    """The one person who asked it; empty when there are several."""
    return "" if question.others else question.subject


def _open_one(
    state: QuestionsState,
    command: c.AnswerQuestion | c.DismissQuestion | c.ClaimQuestion | c.ReleaseQuestion,
) -> Question:
    question = state.find_open(command.question_id)
    assert question is not None, "the table let a command through that needs an open question"
    return question


def _replaced(state: QuestionsState, old: Question, new: Question) -> QuestionsState:
    cards = tuple(new if q is old else q for q in state.open)
    return msgspec.structs.replace(state, open=cards)


def _without(state: QuestionsState, question: Question) -> QuestionsState:
    rest = tuple(q for q in state.open if q is not question)
    return msgspec.structs.replace(state, open=rest)


def _check(state: QuestionsState, question_id: str, name: str) -> bool:
    """False when the table says that nothing happens; raises the refusal it lists."""
    step = TABLE.step(standing_of(state, question_id), name)
    if step.refusal is not None:
        raise Refusal(step.refusal)
    return not step.is_stay

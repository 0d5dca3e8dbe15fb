"""Who sees which event, and in which lane it leaves."""

from __future__ import annotations

from typing import get_args

import pytest

from signaling.audience import is_public, lane_of, person_of, visible_to
from signaling.lane import Lane
from signaling.protocol import (
    ChatSaid,
    Counts,
    InviteEnded,
    InviteSent,
    LogEvent,
    MicRequested,
    MicRequestEnded,
    OrderPlaced,
    Pong,
    ProductDelisted,
    ProductListed,
    ProductPinned,
    ProductUnpinned,
    QuestionAnswered,
    QuestionAsked,
    QuestionClaimed,
    QuestionDismissed,
    QuestionExpired,
    QuestionJoined,
    SeatChanged,
    SeatLeft,
    SeatTaken,
    ShowChanged,
    SlowModeChanged,
)
from signaling.views import (
    ChatView,
    InviteView,
    ProductView,
    QuestionView,
    RequestView,
    SeatView,
    ShowView,
)

QUESTION = QuestionView(question_id="q", subject="ann", name="Ann", text="?", asked_ms=1)
PRODUCT = ProductView(sku="p", title="P", price_minor=1, currency="CNY")
SEAT = SeatView(seat=1, subject="ann", name="Ann", role="guest")

PUBLIC: list[LogEvent] = [
    ShowChanged(show=ShowView(show_id="s", phase="live", title="t")),
    SeatTaken(seat=SEAT),
    SeatChanged(seat=SEAT),
    SeatLeft(seat=1, subject="ann", reason="left", on_ms=1),
    QuestionAnswered(question=QUESTION, response_ms=1),
    QuestionClaimed(question_id="q", by="host", claimed_ms=1),
    QuestionDismissed(question_id="q", subject=""),
    QuestionExpired(question_id="q", subject=""),
    ProductPinned(product=PRODUCT),
    ProductUnpinned(sku="p"),
    OrderPlaced(name="A**", sku="p", title="P", qty=1, at_ms=1),
    SlowModeChanged(slow_mode_s=10, by="H"),
    ChatSaid(
        chat=ChatView(message_id="m", subject="ann", name="A", role="viewer", text="x", at_ms=1)
    ),
]
PERSONAL: list[LogEvent] = [
    MicRequested(request=RequestView(subject="ann", name="A", media="video", requested_ms=1)),
    MicRequestEnded(subject="ann", outcome="rejected"),
    InviteSent(
        invite=InviteView(subject="ann", name="A", by="host", seat=1, invited_ms=1, expires_ms=2)
    ),
    InviteEnded(subject="ann", outcome="declined"),
    QuestionAsked(question=QUESTION),
    QuestionDismissed(question_id="q", subject="ann"),
    QuestionExpired(question_id="q", subject="ann"),
    QuestionJoined(
        question_id="q", ask_id="a", subject="ann", name="A", text="?", asked_ms=1, count=2
    ),
]
OF_STAFF: list[LogEvent] = [ProductListed(product=PRODUCT), ProductDelisted(sku="p")]


def test_every_event_of_the_log_is_covered() -> None:
    assert {type(e) for e in (*PUBLIC, *PERSONAL, *OF_STAFF)} == set(get_args(LogEvent))


@pytest.mark.parametrize("event", PUBLIC)
def test_public_events_reach_everybody(event: LogEvent) -> None:
    assert is_public(event)
    assert visible_to(event, "ben", False)
    assert visible_to(event, "staff", True)


@pytest.mark.parametrize("event", PERSONAL)
def test_personal_events_reach_staff_and_the_person_only(event: LogEvent) -> None:
    assert not is_public(event)
    assert person_of(event) == "ann"
    assert visible_to(event, "ann", False)
    assert visible_to(event, "staff", True)
    assert not visible_to(event, "ben", False)


@pytest.mark.parametrize("event", OF_STAFF)
def test_what_concerns_staff_alone_reaches_nobody_else(event: LogEvent) -> None:
    assert not is_public(event)
    assert visible_to(event, "staff", True)
    assert not visible_to(event, "ann", False)


def test_lanes() -> None:
    lanes = {type(event): lane_of(event) for event in (*PUBLIC, *PERSONAL)}
    questions = {
        QuestionAsked,
        QuestionJoined,
        QuestionClaimed,
        QuestionAnswered,
        QuestionDismissed,
        QuestionExpired,
    }
    assert {cls for cls, lane in lanes.items() if lane is Lane.QUESTION} == questions
    assert {cls for cls, lane in lanes.items() if lane is Lane.CHAT} == {ChatSaid}
    assert {cls for cls, lane in lanes.items() if lane is Lane.COMMERCE} == {OrderPlaced}
    assert lane_of(Counts(viewers=1, likes=1)) is Lane.AMBIENT
    assert lane_of(Pong(id="1", server_ms=1)) is Lane.CONTROL

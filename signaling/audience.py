"""Who sees an event, and in which lane it travels: one place for both questions.

Every event has one of three audiences: everybody, the staff and one person, or (chat) everybody.
A node therefore encodes a broadcast once for staff and once for the public; the few events of one
person go to that person's connections alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from signaling.ids import Subject
from signaling.lane import Lane
from signaling.protocol import (
    ChatRate,
    ChatSaid,
    Counts,
    InviteEnded,
    InviteSent,
    LogEvent,
    MicRequested,
    MicRequestEnded,
    OrderPlaced,
    OutMessage,
    ProductDelisted,
    ProductListed,
    QuestionAnswered,
    QuestionAsked,
    QuestionClaimed,
    QuestionDismissed,
    QuestionExpired,
    QuestionJoined,
    SeatQuality,
)

STAFF_ALONE: Final = Subject("")


def person_of(event: LogEvent) -> Subject | None:
    """The one person who sees this event beside the staff; None for an event of everybody, the
    empty subject (nobody's) for one of the staff alone."""
    match event:
        case MicRequested():
            return Subject(event.request.subject)
        case InviteSent():
            return Subject(event.invite.subject)
        case QuestionAsked():
            return Subject(event.question.subject)
        case MicRequestEnded() | InviteEnded() | QuestionJoined():
            return Subject(event.subject)
        case QuestionDismissed() | QuestionExpired():
            # Of several askers it is told to all: their pages know which cards are theirs.
            return Subject(event.subject) if event.subject else None
        case ProductListed() | ProductDelisted():
            return STAFF_ALONE
        case _:
            return None


def is_public(event: LogEvent) -> bool:
    """True when everybody in the room may see the event."""
    return person_of(event) is None


def visible_to(event: LogEvent, subject: str, is_staff: bool) -> bool:
    """True when this person may see the event; `is_staff` as `signaling.actor.is_staff` says."""
    person = person_of(event)
    return person is None or is_staff or person == subject


LANES: Final[Mapping[type[OutMessage], Lane]] = {
    QuestionAsked: Lane.QUESTION,
    QuestionAnswered: Lane.QUESTION,
    QuestionDismissed: Lane.QUESTION,
    QuestionJoined: Lane.QUESTION,
    QuestionClaimed: Lane.QUESTION,
    QuestionExpired: Lane.QUESTION,
    OrderPlaced: Lane.COMMERCE,
    ChatSaid: Lane.CHAT,
    ChatRate: Lane.AMBIENT,
    Counts: Lane.AMBIENT,
    SeatQuality: Lane.AMBIENT,
}
"""Everything else, direct replies included, travels in `CONTROL`."""


def lane_of(message: OutMessage) -> Lane:
    """The lane in which a message leaves."""
    return LANES.get(type(message), Lane.CONTROL)

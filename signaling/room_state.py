"""The whole state of a room, its one fold and its stored form.

`apply(state, command, wall_ms) -> Outcome`. The store commits `encode(outcome.state)` and
`outcome.events` together by compare-and-set; a lost race reads again and applies again.

Time: `now = max(state.last_now_ms, wall_ms)`, so clocks of several nodes never run a room back
(DESIGN 7.7). Deadlines that are due are settled first, each at its own time, so a late `Tick`
says the same as a punctual one. A refused command changes nothing, not even these.
"""

from __future__ import annotations

from typing import Final

import msgspec

from signaling import chat_rules, questions, shelf, show, stage
from signaling import commands as c
from signaling.chat_rules import ChatRules
from signaling.errors import Refusal
from signaling.ids import Subject
from signaling.protocol import LogEvent
from signaling.questions import QuestionsState
from signaling.rules import RoomRules
from signaling.shelf import ShelfState
from signaling.show import ShowState
from signaling.stage_state import HOST_SEAT, StageState, view_for
from signaling.views import QuestionView, ShowPhase, ShowView, StageView

STATE_VERSION: Final = 1

_NOT_LIVE_IN: Final[dict[type[c.Command], frozenset[ShowPhase]]] = {
    c.RequestMic: frozenset({"scheduled", "ended"}),
    c.Invite: frozenset({"scheduled", "ended"}),
    c.Ask: frozenset({"ended"}),
}
"""Phases in which a command is refused as `not_live`. The rest needs no entry: outside a running
show the stage is empty, so its commands meet `no_request`, `no_invite` or `not_on_stage`."""


class UnreadableState(Exception):
    """A stored state is broken or was written by a newer version; starting over would lose it."""


class RoomState(msgspec.Struct, frozen=True):
    """Everything that a room must agree on. `last_now_ms` is the time of the last command."""

    v: int = STATE_VERSION
    last_now_ms: int = 0
    rules: RoomRules = RoomRules()
    show: ShowState = ShowState()
    stage: StageState = StageState()
    questions: QuestionsState = QuestionsState()
    shelf: ShelfState = ShelfState()
    chat: ChatRules = ChatRules()

    @property
    def slow_mode_s(self) -> int:
        """As `signaling.chat_rules.slow_mode_s` has it."""
        return chat_rules.slow_mode_s(self.chat, self.rules)


class Outcome(msgspec.Struct, frozen=True):
    """The next state and what happened, in order. Without events nothing has to be stored."""

    state: RoomState
    events: tuple[LogEvent, ...]


def initial(rules: RoomRules = RoomRules()) -> RoomState:  # noqa: B008 - frozen, never shared state
    """A room that never had a show."""
    return RoomState(rules=rules, show=ShowState(title=rules.title))


def with_rules(state: RoomState, rules: RoomRules) -> RoomState:
    """The room under new settings. Fewer seats empty nobody's; running deadlines stay."""
    title = state.show.title or rules.title
    return msgspec.structs.replace(
        state, rules=rules, show=msgspec.structs.replace(state.show, title=title)
    )


def apply(state: RoomState, command: c.RoomCommand, wall_ms: int) -> Outcome:
    """Fold one command. Raises `Refusal`, and then `state` still holds as it was."""
    c.check_grant(command)
    now_ms = max(state.last_now_ms, wall_ms)
    settled, expired = _settle_deadlines(state, now_ms)
    changed, events = _dispatch(settled, command, now_ms)
    events = (*expired, *events)
    if not events:
        return Outcome(state, ())
    return Outcome(msgspec.structs.replace(changed, last_now_ms=now_ms), events)


def result_of(
    command: c.RoomCommand, result: dict[str, str | int] | None, after: RoomState
) -> dict[str, str | int] | None:
    """What an `ack` names: of a question the card it went to, and its own id where that is
    another one."""
    if not isinstance(command, c.Ask) or result is None:
        return result
    card = questions.card_of(after.questions, command)
    if card == command.question_id:
        return result
    return {**result, "question_id": card, "ask_id": command.question_id}


def next_deadline_ms(state: RoomState) -> int | None:
    """Unix ms at which a `Tick` is due; None while nothing waits."""
    due = (
        show.next_deadline_ms(state.show),
        stage.next_deadline_ms(state.stage),
        questions.next_deadline_ms(state.questions),
    )
    return min((ms for ms in due if ms is not None), default=None)


def snapshot_for(
    state: RoomState, subject: Subject, is_staff: bool
) -> tuple[ShowView, StageView, tuple[QuestionView, ...]]:
    """What `welcome` tells one person: show, stage and questions they may see."""
    return (
        show.view(state.show),
        view_for(state.stage, subject, is_staff, state.rules.seats_total),
        questions.views_for(state.questions, subject, is_staff),
    )


# --- stored form --------------------------------------------------------------------------------


def encode(state: RoomState) -> bytes:
    """MessagePack; begins with the version."""
    return _encoder.encode(state)


def decode(blob: bytes) -> RoomState:
    """Read what this version or the one before it wrote.

    Missing fields take their defaults and unknown ones are skipped. Raises `UnreadableState`.
    """
    try:
        state = _decoder.decode(blob)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnreadableState(f"room state cannot be read: {error}") from error
    if not STATE_VERSION - 1 <= state.v <= STATE_VERSION:
        raise UnreadableState(f"room state has version {state.v}, this program {STATE_VERSION}")
    return msgspec.structs.replace(state, v=STATE_VERSION)


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(RoomState)


# --- the fold -----------------------------------------------------------------------------------


def _settle_deadlines(state: RoomState, now_ms: int) -> tuple[RoomState, tuple[LogEvent, ...]]:
    """Settle what is due by `now_ms`, earliest first, each at its own time."""
    events: list[LogEvent] = []
    while (due_ms := next_deadline_ms(state)) is not None and due_ms <= now_ms:
        new_show, show_events = show.expire(state.show, due_ms)
        if show_events:
            new_stage, stage_events = stage.clear(state.stage, due_ms)
        else:
            new_stage, stage_events = stage.expire(state.stage, due_ms)
        new_questions, question_events = questions.expire(state.questions, due_ms)
        expired = (*show_events, *stage_events, *question_events)
        assert expired, "a deadline was due and nothing expired"
        events += expired
        state = msgspec.structs.replace(
            state, show=new_show, stage=new_stage, questions=new_questions
        )
    return state, tuple(events)


def _dispatch(
    state: RoomState, command: c.RoomCommand, now_ms: int
) -> tuple[RoomState, tuple[LogEvent, ...]]:
    """Offer the command to each fold in turn: show, stage, questions, shelf, chat."""
    if state.show.phase in _NOT_LIVE_IN.get(type(command), ()):
        raise Refusal("not_live")
    events: list[LogEvent] = []
    for part in _as_show_commands(state, command):
        new_show, show_events = show.apply(state.show, part, now_ms, state.rules)
        new_stage, stage_events = stage.apply(state.stage, part, now_ms, state.rules)
        new_questions, question_events = questions.apply(
            state.questions, part, now_ms, state.show.show_id, state.rules
        )
        new_shelf, shelf_events = shelf.apply(state.shelf, part, now_ms, state.show.is_running)
        new_chat, chat_events = chat_rules.apply(state.chat, part, state.rules)
        events += (*show_events, *stage_events, *question_events, *shelf_events, *chat_events)
        state = msgspec.structs.replace(
            state,
            show=new_show,
            stage=new_stage,
            questions=new_questions,
            shelf=new_shelf,
            chat=new_chat,
        )
    return state, tuple(events)


def _as_show_commands(state: RoomState, command: c.RoomCommand) -> tuple[c.RoomCommand, ...]:
    """What happens to the transport in seat 0 happens to the show: its grace is the host's."""
    match command:
        case c.SeatConnectionLost() if _is_hosting(state, command.subject):
            return (c.HostLost(command.subject),)
        case c.SeatConnectionBack() if _is_hosting(state, command.subject):
            return (c.HostReturned(command.subject),)
        case c.SourceStarted() if _is_hosting(state, command.subject):
            return (c.HostReturned(command.subject), command)
        case _:
            return (command,)


def _is_hosting(state: RoomState, subject: Subject) -> bool:
    seat = state.stage.seat_of(subject)
    return seat is not None and seat.seat == HOST_SEAT

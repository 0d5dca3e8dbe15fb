"""The show of a room: scheduled, live, host_lost, ended (DESIGN 7.2). A pure fold.

`apply(state, command, now_ms, rules) -> (state, events)`; `TABLE` says what every input does in
every phase. A room is permanent and has one show after another, each with its own `show_id`.
"""

from __future__ import annotations

from typing import Final, get_args

import msgspec

from signaling import commands as c
from signaling.errors import Refusal
from signaling.ids import ShowId, Subject
from signaling.protocol import LogEvent, ShowChanged
from signaling.rules import RoomRules
from signaling.transitions import Step, Table
from signaling.views import EndReason, ShowPhase, ShowView

PHASES: Final[tuple[ShowPhase, ...]] = get_args(ShowPhase)
RUNNING: Final[frozenset[ShowPhase]] = frozenset({"live", "host_lost"})
"""Phases in which there is a stage."""

_STAY: Final[Step[ShowPhase]] = Step()
_LIVE: Final[Step[ShowPhase]] = Step(to="live")
_END: Final[Step[ShowPhase]] = Step(to="ended")
_NOT_LIVE: Final[Step[ShowPhase]] = Step(refusal="not_live")

GRACE_OVER: Final = "GraceOver"
"""Input of the table: `lost_until_ms` passed."""

TABLE: Final = Table[ShowPhase](
    PHASES,
    {
        "StartShow": {
            "scheduled": _LIVE,
            "live": Step(refusal="already_live"),
            "host_lost": Step(to="live", may_refuse=("source_taken",)),
            "ended": _LIVE,
        },
        "EndShow": {
            "scheduled": _NOT_LIVE,
            "live": _END,
            "host_lost": _END,
            "ended": _NOT_LIVE,
        },
        "HostLost": {
            "scheduled": _STAY,
            "live": Step(to="host_lost"),
            "host_lost": _STAY,
            "ended": _STAY,
        },
        "HostReturned": {
            "scheduled": _STAY,
            "live": _STAY,
            "host_lost": Step(to="live"),
            "ended": _STAY,
        },
        GRACE_OVER: {
            "scheduled": _STAY,
            "live": _STAY,
            "host_lost": Step(to="ended"),
            "ended": _STAY,
        },
    },
    first="scheduled",
)


class ShowState(msgspec.Struct, frozen=True):
    """`host` is who started the show and holds seat 0."""

    show_id: ShowId = ShowId("")
    phase: ShowPhase = "scheduled"
    title: str = ""
    host: Subject = Subject("")
    started_ms: int | None = None
    lost_until_ms: int | None = None
    ended_ms: int | None = None
    ended_reason: EndReason | None = None

    @property
    def is_running(self) -> bool:
        return self.phase in RUNNING


Changed = tuple[ShowState, tuple[LogEvent, ...]]


def view(state: ShowState) -> ShowView:
    return ShowView(
        show_id=state.show_id,
        phase=state.phase,
        title=state.title,
        started_ms=state.started_ms,
        lost_until_ms=state.lost_until_ms,
        ended_ms=state.ended_ms,
        ended_reason=state.ended_reason,
    )


def next_deadline_ms(state: ShowState) -> int | None:
    """Unix ms when a lost host's grace is over; None while nothing is due."""
    return state.lost_until_ms


def expire(state: ShowState, now_ms: int) -> Changed:
    """End a show whose host did not come back in time."""
    if state.lost_until_ms is None or state.lost_until_ms > now_ms:
        return state, ()
    return _ended(state, now_ms, "host_lost")


def apply(state: ShowState, command: c.RoomCommand, now_ms: int, rules: RoomRules) -> Changed:
    """Fold one command; commands of other folds change nothing. Raises `Refusal`."""
    match command:
        case c.StartShow():
            return _start(state, command, now_ms, rules)
        case c.EndShow():
            _check(state, "EndShow")
            return _ended(state, now_ms, "host_ended")
        case c.HostLost():
            return _host_lost(state, command, now_ms, rules)
        case c.HostReturned():
            return _host_returned(state, command)
        case _:
            return state, ()


def _check(state: ShowState, name: str) -> bool:
    """False when the table says that nothing happens; raises the refusal it lists."""
    step = TABLE.step(state.phase, name)
    if step.refusal is not None:
        raise Refusal(step.refusal)
    return not step.is_stay


def _start(state: ShowState, command: c.StartShow, now_ms: int, rules: RoomRules) -> Changed:
    actor = command.actor
    _check(state, "StartShow")
    if state.phase == "host_lost":
        if actor.subject != state.host:
            raise Refusal("source_taken", "Another host started this show.")
        title = state.title if command.title is None else command.title
        return _changed(
            msgspec.structs.replace(state, phase="live", lost_until_ms=None, title=title)
        )
    return _changed(
        ShowState(
            show_id=command.show_id,
            phase="live",
            title=(state.title or rules.title) if command.title is None else command.title,
            host=actor.subject,
            started_ms=now_ms,
        )
    )


def _host_lost(state: ShowState, command: c.HostLost, now_ms: int, rules: RoomRules) -> Changed:
    if command.subject != state.host or not _check(state, "HostLost"):
        return state, ()
    lost_until_ms = now_ms + rules.host_grace_ms
    return _changed(msgspec.structs.replace(state, phase="host_lost", lost_until_ms=lost_until_ms))


def _host_returned(state: ShowState, command: c.HostReturned) -> Changed:
    if command.subject != state.host or not _check(state, "HostReturned"):
        return state, ()
    return _changed(msgspec.structs.replace(state, phase="live", lost_until_ms=None))


def _ended(state: ShowState, now_ms: int, reason: EndReason) -> Changed:
    return _changed(
        msgspec.structs.replace(
            state, phase="ended", lost_until_ms=None, ended_ms=now_ms, ended_reason=reason
        )
    )


def _changed(state: ShowState) -> Changed:
    return state, (ShowChanged(show=view(state)),)

"""What each command does to a person, by that person's standing on the stage.

The person is the actor of their own commands (`RequestMic`), or the one named (`Invite`). Whether
the show runs at all is checked before (`not_live`), grants too (`forbidden`).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from signaling.stage_state import HOST_SEAT, StageState
from signaling.transitions import Step, Table


class Standing(StrEnum):
    """Where a person stands. `HOSTING` is seat 0, lost or not: the show keeps that deadline."""

    NONE = "none"
    REQUESTING = "requesting"
    INVITED = "invited"
    SEATED = "seated"
    RECONNECTING = "reconnecting"
    HOSTING = "hosting"


def standing_of(state: StageState, subject: str) -> Standing:
    seat = state.seat_of(subject)
    if seat is not None:
        if seat.seat == HOST_SEAT:
            return Standing.HOSTING
        lost = seat.reconnecting_until_ms is not None
        return Standing.RECONNECTING if lost else Standing.SEATED
    if state.invite_of(subject) is not None:
        return Standing.INVITED
    if state.request_of(subject) is not None:
        return Standing.REQUESTING
    return Standing.NONE


_Row = dict[Standing, Step[Standing]]
_STAY: Final[Step[Standing]] = Step()


def _go(to: Standing, *may_refuse: str) -> Step[Standing]:
    return Step(to=to, may_refuse=may_refuse)


def _row(otherwise: str | None, **steps: Step[Standing]) -> _Row:
    """One command: the steps given by standing, `otherwise` (a refusal; None stays) elsewhere."""
    rest: Step[Standing] = Step(refusal=otherwise)
    return {standing: steps.get(standing.value, rest) for standing in Standing}


_NONE, _SEATED, _LOST = Standing.NONE, Standing.SEATED, Standing.RECONNECTING
_ON_STAGE: Final[Step[Standing]] = Step(refusal="already_on_stage")
_REQUESTED: Final[Step[Standing]] = Step(refusal="already_requested")
_INVITED: Final[Step[Standing]] = Step(refusal="already_invited")
_HOST_ONLY_ENDS: Final[Step[Standing]] = Step(refusal="forbidden")
_ON: Final = {"seated": _ON_STAGE, "reconnecting": _ON_STAGE, "hosting": _ON_STAGE}

INVITE_OVER: Final = "InviteExpired"
"""Input of the table: the invite's `expires_ms` passed."""
GRACE_OVER: Final = "GraceOver"
"""Input of the table: the seat's `reconnecting_until_ms` passed."""

TABLE: Final = Table[Standing](
    tuple(Standing),
    {
        "RequestMic": _row(
            None,
            none=_go(Standing.REQUESTING, "queue_full"),
            requesting=_REQUESTED,
            invited=_INVITED,
            **_ON,
        ),
        "CancelRequest": _row("no_request", requesting=_go(_NONE)),
        "AcceptRequest": _row("no_request", requesting=_go(_SEATED, "stage_full"), **_ON),
        "RejectRequest": _row("no_request", requesting=_go(_NONE)),
        "Invite": _row(
            None,
            none=_go(Standing.INVITED, "not_in_room", "stage_full"),
            requesting=_REQUESTED,
            invited=_INVITED,
            **_ON,
        ),
        "CancelInvite": _row("no_invite", invited=_go(_NONE)),
        "AcceptInvite": _row("no_invite", invited=_go(_SEATED), **_ON),
        "DeclineInvite": _row("no_invite", invited=_go(_NONE)),
        INVITE_OVER: _row(None, invited=_go(_NONE)),
        "LeaveSeat": _row(
            "not_on_stage", seated=_go(_NONE), reconnecting=_go(_NONE), hosting=_HOST_ONLY_ENDS
        ),
        "RemoveGuest": _row(
            "not_on_stage", seated=_go(_NONE), reconnecting=_go(_NONE), hosting=_HOST_ONLY_ENDS
        ),
        "MuteSeat": _row("not_on_stage", seated=_STAY, reconnecting=_STAY, hosting=_STAY),
        "SourceStarted": _row(
            "not_on_stage", seated=_STAY, reconnecting=_go(_SEATED), hosting=_STAY
        ),
        "SourceStopped": _row(None),
        "SeatConnectionLost": _row(None, seated=_go(_LOST)),
        "SeatConnectionBack": _row(None, reconnecting=_go(_SEATED)),
        GRACE_OVER: _row(None, reconnecting=_go(_NONE)),
        "PersonLeft": _row(None, requesting=_go(_NONE), invited=_go(_NONE)),
        "EndShow": _row(None, **{s.value: _go(_NONE) for s in Standing if s is not _NONE}),
    },
    first=Standing.NONE,
)

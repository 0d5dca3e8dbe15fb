"""The stage: seats, requests for the mic, invitations. A pure fold (DESIGN 4.2).

`apply(state, command, now_ms, rules) -> (state, events)`. `stage_table.TABLE` says what every
command does to a person of every standing; here are the effects. Invariants:

- a person stands in one place: waiting, invited or seated, and in one seat at most;
- a seat holds one person, and taken + promised seats never exceed `rules.seats_total`;
- an invite reserves its seat, so accepting one never meets `stage_full`;
- a guest who loses the network keeps the seat until `reconnecting_until_ms`.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from signaling import commands as c
from signaling.errors import Refusal
from signaling.ids import SeatNo, Subject
from signaling.protocol import (
    InviteEnded,
    InviteSent,
    LogEvent,
    MicRequested,
    MicRequestEnded,
    SeatChanged,
    SeatLeft,
    SeatTaken,
)
from signaling.rules import MAX_REQUESTS, RoomRules
from signaling.stage_state import (
    HOST_SEAT,
    Invite,
    Request,
    Seat,
    StageState,
    invite_view,
    request_view,
    seat_view,
    with_seat,
    without_invite,
    without_request,
    without_seat,
)
from signaling.stage_table import TABLE, standing_of

Changed = tuple[StageState, tuple[LogEvent, ...]]
RequestOutcome = Literal["accepted", "rejected", "cancelled", "expired", "left", "show_ended"]
InviteOutcome = Literal["accepted", "declined", "cancelled", "expired", "left", "show_ended"]
LeftReason = Literal["left", "removed", "grace_expired", "show_ended"]


def apply(state: StageState, command: c.RoomCommand, now_ms: int, rules: RoomRules) -> Changed:
    """Fold one command; commands of other folds change nothing. Raises `Refusal`.

    The caller has checked grants (`forbidden`) and that the show runs (`not_live`).
    """
    match command:
        case c.StartShow() | c.EndShow() | c.HostLost() | c.HostReturned():
            return _follow_show(state, command, now_ms, rules)
        case c.RequestMic():
            return _request(state, command, now_ms)
        case c.CancelRequest() | c.RejectRequest() | c.AcceptRequest():
            return _settle_request(state, command, now_ms, rules)
        case c.Invite():
            return _invite(state, command, now_ms, rules)
        case c.CancelInvite() | c.AcceptInvite() | c.DeclineInvite():
            return _settle_invite(state, command, now_ms)
        case c.LeaveSeat() | c.RemoveGuest():
            return _vacate(state, command, now_ms)
        case c.MuteSeat():
            return _mute(state, command)
        case c.SourceStarted() | c.SourceStopped():
            return _source(state, command)
        case c.SeatConnectionLost() | c.SeatConnectionBack():
            return _connection(state, command, now_ms, rules)
        case c.PersonLeft():
            return _person_left(state, command)
        case _:
            return state, ()


# --- time ---------------------------------------------------------------------------------------


def next_deadline_ms(state: StageState) -> int | None:
    """Unix ms of the earliest invite or guest grace to run out; None while nothing is due.

    Seat 0 is left out: the show keeps the host's grace.
    """
    due = [i.expires_ms for i in state.invites]
    due += [
        s.reconnecting_until_ms
        for s in state.seats
        if s.reconnecting_until_ms is not None and s.seat != HOST_SEAT
    ]
    return min(due, default=None)


def expire(state: StageState, now_ms: int) -> Changed:
    """End the invites and graces that are over at `now_ms`."""
    events: list[LogEvent] = []
    for invite in state.invites:
        if invite.expires_ms <= now_ms:
            state = without_invite(state, invite.subject)
            events.append(InviteEnded(subject=invite.subject, outcome="expired"))
    for seat in state.seats:
        until_ms = seat.reconnecting_until_ms
        if until_ms is not None and until_ms <= now_ms and seat.seat != HOST_SEAT:
            state = without_seat(state, seat.subject)
            events.append(_left(seat, "grace_expired", now_ms))
    return state, tuple(events)


def clear(state: StageState, now_ms: int) -> Changed:
    """Empty the stage because the show ended: seats, then requests, then invites."""
    seats = [_left(seat, "show_ended", now_ms) for seat in state.seats]
    requests = [
        MicRequestEnded(subject=request.subject, outcome="show_ended") for request in state.requests
    ]
    invites = [
        InviteEnded(subject=invite.subject, outcome="show_ended") for invite in state.invites
    ]
    return StageState(), (*seats, *requests, *invites)


# --- following the show -------------------------------------------------------------------------


def _follow_show(
    state: StageState,
    command: c.StartShow | c.EndShow | c.HostLost | c.HostReturned,
    now_ms: int,
    rules: RoomRules,
) -> Changed:
    """Seat 0 does what the show did; the show has accepted the command before."""
    match command:
        case c.EndShow():
            return clear(state, now_ms)
        case c.HostLost():
            seat = state.seat_of(command.subject)
            if seat is None or seat.seat != HOST_SEAT or seat.reconnecting_until_ms is not None:
                return state, ()
            return _set_lost(state, command.subject, now_ms + rules.host_grace_ms)
        case c.HostReturned():
            seat = state.seat_of(command.subject)
            if seat is None or seat.seat != HOST_SEAT:
                return state, ()
            return _set_lost(state, command.subject, None)
        case c.StartShow():
            return _host_sits_down(state, command, now_ms)


def _host_sits_down(state: StageState, command: c.StartShow, now_ms: int) -> Changed:
    actor = command.actor
    if state.seat_of(actor.subject) is not None:
        return _set_lost(state, actor.subject, None)
    seat = Seat(
        seat=HOST_SEAT,
        subject=actor.subject,
        name=actor.name,
        role="host",
        request_id=command.show_id,
        taken_ms=now_ms,
    )
    return with_seat(state, seat), (SeatTaken(seat=seat_view(seat)),)


# --- requests -----------------------------------------------------------------------------------


def _request(state: StageState, command: c.RequestMic, now_ms: int) -> Changed:
    actor = command.actor
    _check(state, actor.subject, command)
    if len(state.requests) >= MAX_REQUESTS:
        raise Refusal("queue_full")
    request = Request(
        subject=actor.subject,
        name=actor.name,
        media=command.media,
        request_id=command.request_id,
        requested_ms=now_ms,
    )
    state = msgspec.structs.replace(state, requests=(*state.requests, request))
    return state, (MicRequested(request=request_view(request)),)


def _settle_request(
    state: StageState,
    command: c.CancelRequest | c.RejectRequest | c.AcceptRequest,
    now_ms: int,
    rules: RoomRules,
) -> Changed:
    subject = command.actor.subject if isinstance(command, c.CancelRequest) else command.subject
    _check(state, subject, command)
    request = state.request_of(subject)
    assert request is not None, "the table let a command through that needs a request"
    if not isinstance(command, c.AcceptRequest):
        outcome: RequestOutcome = (
            "cancelled" if isinstance(command, c.CancelRequest) else "rejected"
        )
        return without_request(state, subject), (MicRequestEnded(subject=subject, outcome=outcome),)
    seat_no = state.free_seat(rules.seats_total)
    if seat_no is None:
        raise Refusal("stage_full")
    state, events = _sit(
        without_request(state, subject),
        seat_no,
        subject,
        request.name,
        request.request_id,
        now_ms,
        request.media,
    )
    return state, (MicRequestEnded(subject=subject, outcome="accepted"), *events)


# --- invites ------------------------------------------------------------------------------------


def _invite(state: StageState, command: c.Invite, now_ms: int, rules: RoomRules) -> Changed:
    target = command.target
    _check(state, target.subject, command)
    if not target.is_present:
        raise Refusal("not_in_room")
    seat_no = state.free_seat(rules.seats_total)
    if seat_no is None:
        raise Refusal("stage_full")
    invite = Invite(
        subject=target.subject,
        name=target.name,
        by=command.actor.subject,
        seat=seat_no,
        request_id=command.request_id,
        invited_ms=now_ms,
        expires_ms=now_ms + rules.invite_timeout_ms,
    )
    state = msgspec.structs.replace(state, invites=(*state.invites, invite))
    return state, (InviteSent(invite=invite_view(invite)),)


def _settle_invite(
    state: StageState,
    command: c.CancelInvite | c.AcceptInvite | c.DeclineInvite,
    now_ms: int,
) -> Changed:
    subject = command.subject if isinstance(command, c.CancelInvite) else command.actor.subject
    _check(state, subject, command)
    invite = state.invite_of(subject)
    assert invite is not None, "the table let a command through that needs an invite"
    state = without_invite(state, subject)
    if not isinstance(command, c.AcceptInvite):
        outcome: InviteOutcome = "cancelled" if isinstance(command, c.CancelInvite) else "declined"
        return state, (InviteEnded(subject=subject, outcome=outcome),)
    state, events = _sit(state, invite.seat, subject, invite.name, invite.request_id, now_ms)
    return state, (InviteEnded(subject=subject, outcome="accepted"), *events)


# --- seats --------------------------------------------------------------------------------------


def _vacate(state: StageState, command: c.LeaveSeat | c.RemoveGuest, now_ms: int) -> Changed:
    reason: LeftReason
    if isinstance(command, c.RemoveGuest):
        subject, reason = command.subject, "removed"
    else:
        subject, reason = command.actor.subject, "left"
    _check(state, subject, command)
    seat = _seat_of(state, subject)
    return without_seat(state, subject), (_left(seat, reason, now_ms),)


def _mute(state: StageState, command: c.MuteSeat) -> Changed:
    _check(state, command.subject, command)
    seat = _seat_of(state, command.subject)
    muted = tuple(s for s in seat.muted if s != command.source)
    if command.muted:
        muted = (*muted, command.source)
    return _update(state, seat, msgspec.structs.replace(seat, muted=tuple(sorted(muted))))


def _source(state: StageState, command: c.SourceStarted | c.SourceStopped) -> Changed:
    _check(state, command.subject, command)
    seat = state.seat_of(command.subject)
    if seat is None:
        return state, ()
    sources = tuple(s for s in seat.sources if s != command.source)
    if isinstance(command, c.SourceStopped):
        return _update(state, seat, msgspec.structs.replace(seat, sources=sources))
    sources = tuple(sorted((*sources, command.source)))
    changed = msgspec.structs.replace(seat, sources=sources, reconnecting_until_ms=None)
    return _update(state, seat, changed)


def _connection(
    state: StageState,
    command: c.SeatConnectionLost | c.SeatConnectionBack,
    now_ms: int,
    rules: RoomRules,
) -> Changed:
    if not _check(state, command.subject, command):
        return state, ()
    is_lost = isinstance(command, c.SeatConnectionLost)
    return _set_lost(state, command.subject, now_ms + rules.seat_grace_ms if is_lost else None)


def _person_left(state: StageState, command: c.PersonLeft) -> Changed:
    subject = command.subject
    if state.request_of(subject) is not None:
        return without_request(state, subject), (MicRequestEnded(subject=subject, outcome="left"),)
    if state.invite_of(subject) is not None:
        return without_invite(state, subject), (InviteEnded(subject=subject, outcome="left"),)
    return state, ()


# --- shared steps -------------------------------------------------------------------------------


def _check(state: StageState, subject: str, command: c.RoomCommand) -> bool:
    """False when the table says that nothing happens; raises the refusal it lists."""
    step = TABLE.step(standing_of(state, subject), type(command).__name__)
    if step.refusal is not None:
        raise Refusal(step.refusal)
    return not step.is_stay


def _seat_of(state: StageState, subject: str) -> Seat:
    seat = state.seat_of(subject)
    assert seat is not None, "the table let a command through that needs a seat"
    return seat


def _sit(
    state: StageState,
    seat_no: SeatNo,
    subject: Subject,
    name: str,
    request_id: str,
    now_ms: int,
    media: Literal["audio", "video"] = "video",
) -> Changed:
    assert all(s.seat != seat_no for s in state.seats), "two people in one seat"
    seat = Seat(
        seat=seat_no,
        subject=subject,
        name=name,
        role="guest",
        request_id=request_id,
        taken_ms=now_ms,
        media=media,
    )
    return with_seat(state, seat), (SeatTaken(seat=seat_view(seat)),)


def _set_lost(state: StageState, subject: str, until_ms: int | None) -> Changed:
    seat = state.seat_of(subject)
    if seat is None:
        return state, ()
    return _update(state, seat, msgspec.structs.replace(seat, reconnecting_until_ms=until_ms))


def _update(state: StageState, old: Seat, new: Seat) -> Changed:
    """Put the seat back; an unchanged one is no event."""
    if new == old:
        return state, ()
    return with_seat(state, new), (SeatChanged(seat=seat_view(new)),)


def _left(seat: Seat, reason: LeftReason, now_ms: int) -> SeatLeft:
    return SeatLeft(
        seat=seat.seat, subject=seat.subject, reason=reason, on_ms=max(0, now_ms - seat.taken_ms)
    )

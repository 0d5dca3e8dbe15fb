"""What is true on the stage: who sits, who waits, who is invited. Frozen records, no rules.

The records are stored as arrays (half the bytes of maps): a new field goes to the end and has a
default, so that this version reads what the one before it wrote (DESIGN 7.8).
"""

from __future__ import annotations

from typing import Final

import msgspec

from signaling.ids import SeatNo, Subject
from signaling.views import (
    InviteView,
    MediaChoice,
    RequestView,
    Role,
    SeatView,
    SourceName,
    StageView,
)

HOST_SEAT: Final = SeatNo(0)


class Seat(msgspec.Struct, frozen=True, array_like=True):
    """A taken seat. `request_id` names the episode that led here (the show's id for the host)."""

    seat: SeatNo
    subject: Subject
    name: str
    role: Role
    request_id: str
    taken_ms: int
    media: MediaChoice = "video"
    sources: tuple[SourceName, ...] = ()
    muted: tuple[SourceName, ...] = ()
    reconnecting_until_ms: int | None = None


class Request(msgspec.Struct, frozen=True, array_like=True):
    subject: Subject
    name: str
    media: MediaChoice
    request_id: str
    requested_ms: int


class Invite(msgspec.Struct, frozen=True, array_like=True):
    """A promise: `seat` stays free for `subject` until `expires_ms`."""

    subject: Subject
    name: str
    by: Subject
    seat: SeatNo
    request_id: str
    invited_ms: int
    expires_ms: int


class StageState(msgspec.Struct, frozen=True):
    """`seats` in order of their number, `requests` and `invites` oldest first."""

    seats: tuple[Seat, ...] = ()
    requests: tuple[Request, ...] = ()
    invites: tuple[Invite, ...] = ()

    def seat_of(self, subject: str) -> Seat | None:
        return next((s for s in self.seats if s.subject == subject), None)

    def request_of(self, subject: str) -> Request | None:
        return next((r for r in self.requests if r.subject == subject), None)

    def invite_of(self, subject: str) -> Invite | None:
        return next((i for i in self.invites if i.subject == subject), None)

    def free_seat(self, seats_total: int) -> SeatNo | None:
        """The lowest guest seat that is neither taken nor promised."""
        used = {s.seat for s in self.seats} | {i.seat for i in self.invites}
        return next((SeatNo(n) for n in range(1, seats_total) if n not in used), None)


def with_seat(state: StageState, seat: Seat) -> StageState:
    """The stage with `seat` in its place, whoever sat there before."""
    others = [s for s in state.seats if s.seat != seat.seat]
    seats = tuple(sorted([*others, seat], key=lambda s: s.seat))
    return msgspec.structs.replace(state, seats=seats)


def without_seat(state: StageState, subject: str) -> StageState:
    return msgspec.structs.replace(
        state, seats=tuple(s for s in state.seats if s.subject != subject)
    )


def without_request(state: StageState, subject: str) -> StageState:
    return msgspec.structs.replace(
        state, requests=tuple(r for r in state.requests if r.subject != subject)
    )


def without_invite(state: StageState, subject: str) -> StageState:
    return msgspec.structs.replace(
        state, invites=tuple(i for i in state.invites if i.subject != subject)
    )


def seat_view(seat: Seat) -> SeatView:
    return SeatView(
        seat=seat.seat,
        subject=seat.subject,
        name=seat.name,
        role=seat.role,
        sources=seat.sources,
        muted=seat.muted,
        reconnecting_until_ms=seat.reconnecting_until_ms,
        taken_ms=seat.taken_ms,
    )


def request_view(request: Request) -> RequestView:
    return RequestView(
        subject=request.subject,
        name=request.name,
        media=request.media,
        requested_ms=request.requested_ms,
    )


def invite_view(invite: Invite) -> InviteView:
    return InviteView(
        subject=invite.subject,
        name=invite.name,
        by=invite.by,
        seat=invite.seat,
        invited_ms=invite.invited_ms,
        expires_ms=invite.expires_ms,
    )


def view_for(state: StageState, subject: str, is_staff: bool, seats_total: int) -> StageView:
    """The stage as one person may see it: requests and invites complete for staff, else own."""
    return StageView(
        seats_total=seats_total,
        seats=tuple(seat_view(s) for s in state.seats),
        requests=tuple(request_view(r) for r in state.requests if is_staff or r.subject == subject),
        invites=tuple(invite_view(i) for i in state.invites if is_staff or i.subject == subject),
    )

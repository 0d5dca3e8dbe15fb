"""The stage: every (standing, command) pair, and what the table cannot say."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from signaling import commands as c
from signaling import room_state, stage_state
from signaling.actor import Actor
from signaling.protocol import (
    InviteEnded,
    InviteSent,
    MicRequested,
    MicRequestEnded,
    SeatChanged,
    SeatLeft,
    SeatTaken,
    ShowChanged,
)
from signaling.rules import MAX_REQUESTS, RoomRules
from signaling.stage_table import GRACE_OVER, INVITE_OVER, TABLE, Standing, standing_of
from tests.support.room_driver import (
    ANN,
    BEN,
    CAT,
    DAN,
    HOST,
    STAFF,
    RoomDriver,
    person,
    target,
)

RULES = RoomRules()


def live_room(rules: RoomRules = RULES) -> RoomDriver:
    room = RoomDriver(rules)
    room.go_live()
    return room


def room_with_ann(standing: Standing, rules: RoomRules = RULES) -> RoomDriver:
    """A live room in which Ann has this standing (or the host, for HOSTING)."""
    room = live_room(rules)
    match standing:
        case Standing.REQUESTING:
            room.request(ANN)
        case Standing.INVITED:
            room.invite(ANN)
        case Standing.SEATED | Standing.RECONNECTING:
            room.seat(ANN)
    if standing is Standing.RECONNECTING:
        room.do(c.SeatConnectionLost(ANN.subject))
    return room


def person_of(standing: Standing) -> Actor:
    return HOST if standing is Standing.HOSTING else ANN


ONE_DEADLINE = {
    INVITE_OVER: RoomRules(invite_timeout_ms=1_000),
    GRACE_OVER: RoomRules(seat_grace_ms=1_000),
}
"""Inputs of time, and the rules under which one second brings that one only."""

COMMANDS: dict[str, Callable[[Actor], c.RoomCommand]] = {
    "RequestMic": lambda who: c.RequestMic(person(who.name), "again"),
    "CancelRequest": c.CancelRequest,
    "AcceptRequest": lambda who: c.AcceptRequest(STAFF, who.subject),
    "RejectRequest": lambda who: c.RejectRequest(STAFF, who.subject),
    "Invite": lambda who: c.Invite(STAFF, "again", target(who)),
    "CancelInvite": lambda who: c.CancelInvite(STAFF, who.subject),
    "AcceptInvite": c.AcceptInvite,
    "DeclineInvite": c.DeclineInvite,
    "LeaveSeat": c.LeaveSeat,
    "RemoveGuest": lambda who: c.RemoveGuest(STAFF, who.subject),
    "MuteSeat": lambda who: c.MuteSeat(STAFF, who.subject, "microphone", False),
    "SourceStarted": lambda who: c.SourceStarted(who.subject, "camera"),
    "SourceStopped": lambda who: c.SourceStopped(who.subject, "camera"),
    "SeatConnectionBack": lambda who: c.SeatConnectionBack(who.subject),
    "PersonLeft": lambda who: c.PersonLeft(who.subject),
    "EndShow": lambda who: c.EndShow(HOST),
}


@pytest.mark.parametrize("standing", list(Standing))
@pytest.mark.parametrize("name", TABLE.inputs)
def test_every_pair_follows_the_table(standing: Standing, name: str) -> None:
    room = room_with_ann(standing, ONE_DEADLINE.get(name, RULES))
    who = person_of(standing)
    step = TABLE.step(standing, name)
    assert standing_of(room.state.stage, who.subject) is standing
    if step.refusal is not None:
        before = room.state
        assert room.refusal_of(COMMANDS[name](who)) == step.refusal
        assert room.state == before
        return
    if name in ONE_DEADLINE:
        room.advance(1_000)
    elif name == "SeatConnectionLost":
        # The host's loss is the show's (HostLost); the standing stays HOSTING.
        room.do(c.SeatConnectionLost(who.subject))
    else:
        room.do(COMMANDS[name](who))
    expected = standing if step.to is None else step.to
    assert standing_of(room.state.stage, who.subject) is expected


def test_request_then_accept_takes_the_lowest_free_seat() -> None:
    room = live_room()
    (requested,) = room.request(ANN)
    assert isinstance(requested, MicRequested)
    assert requested.request.name == "ann"
    room.now_ms += 700
    ended, taken = room.do(c.AcceptRequest(STAFF, ANN.subject))
    assert ended == MicRequestEnded(subject=ANN.subject, outcome="accepted")
    assert isinstance(taken, SeatTaken)
    assert (taken.seat.seat, taken.seat.role, taken.seat.taken_ms) == (1, "guest", room.now_ms)


def test_reject_and_cancel_name_their_outcome() -> None:
    room = live_room()
    room.request(ANN)
    assert room.do(c.RejectRequest(STAFF, ANN.subject)) == (
        MicRequestEnded(subject=ANN.subject, outcome="rejected"),
    )
    room.request(ANN)
    assert room.do(c.CancelRequest(ANN)) == (
        MicRequestEnded(subject=ANN.subject, outcome="cancelled"),
    )


def test_invite_reserves_the_seat_that_accepting_takes() -> None:
    room = live_room()
    (sent,) = room.invite(CAT)
    assert isinstance(sent, InviteSent)
    assert (sent.invite.seat, sent.invite.by) == (1, HOST.subject)
    assert sent.invite.expires_ms == room.now_ms + 30_000
    room.seat(ANN)
    room.seat(BEN)
    assert room.refusal_of(c.Invite(STAFF, "x", target(DAN))) == "stage_full"
    room.request(DAN)
    assert room.refusal_of(c.AcceptRequest(STAFF, DAN.subject)) == "stage_full"
    ended, taken = room.do(c.AcceptInvite(CAT))
    assert ended == InviteEnded(subject=CAT.subject, outcome="accepted")
    assert isinstance(taken, SeatTaken)
    assert taken.seat.seat == 1
    assert [seat.seat for seat in room.state.stage.seats] == [0, 1, 2, 3]


def test_a_full_stage_keeps_the_request_waiting() -> None:
    room = live_room(RoomRules(seats_total=2))
    room.seat(ANN)
    room.request(BEN)
    assert room.refusal_of(c.AcceptRequest(STAFF, BEN.subject)) == "stage_full"
    room.do(c.LeaveSeat(ANN))
    room.do(c.AcceptRequest(STAFF, BEN.subject))
    assert standing_of(room.state.stage, BEN.subject) is Standing.SEATED


def test_an_invite_expires_after_thirty_seconds_and_frees_its_seat() -> None:
    room = live_room(RoomRules(seats_total=2))
    room.invite(ANN)
    assert room.advance(29_999) == ()
    assert room.advance(1) == (InviteEnded(subject=ANN.subject, outcome="expired"),)
    assert room.refusal_of(c.AcceptInvite(ANN)) == "no_invite"
    room.invite(BEN)


def test_an_invite_is_over_at_its_deadline_even_before_the_tick() -> None:
    room = live_room()
    room.invite(ANN)
    room.now_ms += 30_000
    assert room.refusal_of(c.AcceptInvite(ANN)) == "no_invite"


def test_declining_and_cancelling_an_invite() -> None:
    room = live_room()
    room.invite(ANN)
    assert room.do(c.DeclineInvite(ANN)) == (InviteEnded(subject=ANN.subject, outcome="declined"),)
    room.invite(ANN)
    assert room.do(c.CancelInvite(STAFF, ANN.subject)) == (
        InviteEnded(subject=ANN.subject, outcome="cancelled"),
    )


def test_who_is_not_in_the_room_cannot_be_invited() -> None:
    room = live_room()
    assert room.refusal_of(c.Invite(HOST, "x", target(ANN, is_present=False))) == "not_in_room"


def test_two_consoles_pressing_at_once_seat_one_person() -> None:
    room = live_room(RoomRules(seats_total=2))
    room.request(ANN)
    room.request(BEN)
    room.do(c.AcceptRequest(HOST, ANN.subject))
    assert room.refusal_of(c.AcceptRequest(STAFF, BEN.subject)) == "stage_full"
    assert room.refusal_of(c.AcceptRequest(STAFF, ANN.subject)) == "already_on_stage"


def test_leaving_and_removing_tell_how_long_the_seat_was_taken() -> None:
    room = live_room()
    room.seat(ANN)
    room.seat(BEN)
    room.now_ms += 4_000
    assert room.do(c.LeaveSeat(ANN)) == (
        SeatLeft(seat=1, subject=ANN.subject, reason="left", on_ms=4_000),
    )
    assert room.do(c.RemoveGuest(STAFF, BEN.subject)) == (
        SeatLeft(seat=2, subject=BEN.subject, reason="removed", on_ms=4_000),
    )


def test_a_lost_guest_comes_back_into_the_same_seat() -> None:
    room = live_room()
    room.seat(ANN)
    room.seat(BEN)
    (lost,) = room.do(c.SeatConnectionLost(BEN.subject))
    assert isinstance(lost, SeatChanged)
    assert lost.seat.reconnecting_until_ms == room.now_ms + 15_000
    room.do(c.LeaveSeat(ANN))
    room.advance(14_999)
    (back,) = room.do(c.SeatConnectionBack(BEN.subject))
    assert isinstance(back, SeatChanged)
    assert (back.seat.seat, back.seat.reconnecting_until_ms) == (2, None)


def test_losing_the_connection_twice_does_not_extend_the_grace() -> None:
    room = live_room()
    room.seat(ANN)
    room.do(c.SeatConnectionLost(ANN.subject))
    room.now_ms += 10_000
    assert room.do(c.SeatConnectionLost(ANN.subject)) == ()
    (left,) = room.advance(5_000)
    assert left == SeatLeft(seat=1, subject=ANN.subject, reason="grace_expired", on_ms=15_000)


def test_a_source_that_starts_ends_reconnecting() -> None:
    room = live_room()
    room.seat(ANN)
    room.do(c.SeatConnectionLost(ANN.subject))
    (back,) = room.do(c.SourceStarted(ANN.subject, "camera"))
    assert isinstance(back, SeatChanged)
    assert (back.seat.sources, back.seat.reconnecting_until_ms) == (("camera",), None)


def test_sources_are_listed_once_and_taken_off() -> None:
    room = live_room()
    room.do(c.SourceStarted(HOST.subject, "microphone"))
    assert room.do(c.SourceStarted(HOST.subject, "microphone")) == ()
    (changed,) = room.do(c.SourceStarted(HOST.subject, "camera"))
    assert isinstance(changed, SeatChanged)
    assert changed.seat.sources == ("camera", "microphone")
    (changed,) = room.do(c.SourceStopped(HOST.subject, "camera"))
    assert isinstance(changed, SeatChanged)
    assert changed.seat.sources == ("microphone",)
    assert room.do(c.SourceStopped(HOST.subject, "camera")) == ()


def test_muting_is_kept_per_source_and_said_once() -> None:
    room = live_room()
    room.seat(ANN)
    (muted,) = room.do(c.MuteSeat(STAFF, ANN.subject, "microphone", True))
    assert isinstance(muted, SeatChanged)
    assert muted.seat.muted == ("microphone",)
    assert room.do(c.MuteSeat(STAFF, ANN.subject, "microphone", True)) == ()
    (muted,) = room.do(c.MuteSeat(STAFF, ANN.subject, "microphone", False))
    assert isinstance(muted, SeatChanged)
    assert muted.seat.muted == ()


def test_who_leaves_the_room_leaves_the_queue_but_not_the_seat() -> None:
    room = live_room()
    room.request(ANN)
    room.invite(BEN)
    room.seat(CAT)
    assert room.do(c.PersonLeft(ANN.subject)) == (
        MicRequestEnded(subject=ANN.subject, outcome="left"),
    )
    assert room.do(c.PersonLeft(BEN.subject)) == (InviteEnded(subject=BEN.subject, outcome="left"),)
    assert room.do(c.PersonLeft(CAT.subject)) == ()
    assert standing_of(room.state.stage, CAT.subject) is Standing.SEATED


def test_the_end_of_the_show_empties_the_stage() -> None:
    room = live_room()
    room.seat(ANN)
    room.request(BEN)
    room.invite(CAT)
    room.now_ms += 1_000
    changed, host_left, ann_left, request_ended, invite_ended = room.do(c.EndShow(HOST))
    assert isinstance(changed, ShowChanged)
    assert isinstance(host_left, SeatLeft)
    assert host_left.seat == 0
    assert ann_left == SeatLeft(seat=1, subject=ANN.subject, reason="show_ended", on_ms=1_000)
    assert request_ended == MicRequestEnded(subject=BEN.subject, outcome="show_ended")
    assert invite_ended == InviteEnded(subject=CAT.subject, outcome="show_ended")
    assert room.state.stage == stage_state.StageState()


def test_the_queue_of_requests_is_bounded() -> None:
    room = live_room()
    for number in range(MAX_REQUESTS):
        room.request(person(f"viewer-{number}"))
    assert room.refusal_of(c.RequestMic(ANN, "x")) == "queue_full"


def test_fewer_seats_by_new_rules_empty_nobodys_seat() -> None:
    room = live_room()
    room.seat(ANN)
    room.seat(BEN)
    room.state = room_state.with_rules(room.state, RoomRules(seats_total=2))
    assert len(room.state.stage.seats) == 3
    room.request(CAT)
    assert room.refusal_of(c.AcceptRequest(HOST, CAT.subject)) == "stage_full"

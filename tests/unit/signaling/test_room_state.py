"""The whole room: invariants under random commands, time, replay, stored form, snapshots."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signaling import audience, codec, facts, room_state
from signaling import commands as c
from signaling.errors import Refusal
from signaling.ids import RoomId, ShopId, ShowId
from signaling.protocol import LogEvent, SeatChanged, SeatLeft, SeatTaken, ShowChanged
from signaling.room_state import RoomState
from signaling.rules import RoomRules
from tests.support.room_commands import CAST, sequences
from tests.support.room_driver import ANN, BEN, HOST, STAFF, START_MS, RoomDriver, person, target

RULES = RoomRules(seats_total=3)

Script = list[tuple[int, c.RoomCommand]]


def check_invariants(state: RoomState) -> None:
    seats, requests, invites = state.stage.seats, state.stage.requests, state.stage.invites
    numbers = [s.seat for s in seats] + [i.seat for i in invites]
    assert len(numbers) == len(set(numbers)), "a seat is taken or promised twice"
    assert all(0 <= number < RULES.seats_total for number in numbers)
    people = [s.subject for s in seats]
    people += [r.subject for r in requests] + [i.subject for i in invites]
    assert len(people) == len(set(people)), "somebody stands in two places"
    due_ms = room_state.next_deadline_ms(state)
    assert due_ms is None or due_ms > state.last_now_ms, "a deadline lies in the past"
    hosts = [s for s in seats if s.seat == 0]
    assert len(hosts) == (1 if state.show.is_running else 0)
    if hosts:
        assert hosts[0].subject == state.show.host
        assert hosts[0].reconnecting_until_ms == state.show.lost_until_ms
    assert (state.show.lost_until_ms is not None) == (state.show.phase == "host_lost")
    if not state.show.is_running:
        assert not people, "a stage without a show"
    ids = [q.question_id for q in (*state.questions.open, *state.questions.answered)]
    assert len(ids) == len(set(ids))


def play(script: Script, state: RoomState) -> tuple[RoomState, list[LogEvent]]:
    """Apply a script; refused commands are left out, as in life."""
    said: list[LogEvent] = []
    now_ms = START_MS
    for pause_ms, command in script:
        now_ms += pause_ms
        try:
            outcome = room_state.apply(state, command, now_ms)
        except Refusal:
            continue
        state = outcome.state
        said += outcome.events
    return state, said


@settings(max_examples=150, deadline=None)
@given(sequences)
def test_invariants_hold_whatever_is_commanded(script: Script) -> None:
    state = room_state.initial(RULES)
    now_ms = START_MS
    for pause_ms, command in script:
        now_ms += pause_ms
        before = room_state.encode(state)
        try:
            outcome = room_state.apply(state, command, now_ms)
        except Refusal:
            assert room_state.encode(state) == before, "a refused command changed something"
            continue
        if not outcome.events:
            assert outcome.state is state, "a silent change would be lost"
        assert outcome.state.last_now_ms >= state.last_now_ms
        facts.engagements_of(
            outcome.events, state, outcome.state, shop_id=ShopId("main"), room_id=RoomId("r")
        )
        state = outcome.state
        check_invariants(state)


@settings(max_examples=80, deadline=None)
@given(sequences)
def test_replay_from_stored_states_equals_live(script: Script) -> None:
    """A node that reads the state from the store before every command says the same."""
    live, said = play(script, room_state.initial(RULES))
    state, replayed, now_ms = room_state.initial(RULES), list[LogEvent](), START_MS
    for pause_ms, command in script:
        now_ms += pause_ms
        try:
            outcome = room_state.apply(room_state.decode(room_state.encode(state)), command, now_ms)
        except Refusal:
            continue
        state = outcome.state
        replayed += [codec.decode_event(codec.encode_event(e)) for e in outcome.events]  # type: ignore[misc] # None would fail the comparison
    assert state == live
    assert replayed == said


@settings(max_examples=80, deadline=None)
@given(sequences, st.lists(st.integers(1, 20_000), min_size=1, max_size=30))
def test_a_late_tick_says_the_same_as_punctual_ones(script: Script, steps_ms: list[int]) -> None:
    start, _ = play(script, room_state.initial(RULES))
    at_ms = start.last_now_ms
    punctual, said = start, list[LogEvent]()
    for step_ms in steps_ms:
        at_ms += step_ms
        outcome = room_state.apply(punctual, c.Tick(), at_ms)
        punctual, said = outcome.state, [*said, *outcome.events]
    late = room_state.apply(start, c.Tick(), at_ms)
    assert list(late.events) == said
    assert late.state.show == punctual.show
    assert late.state.stage == punctual.stage


@settings(max_examples=80, deadline=None)
@given(sequences)
def test_a_client_that_follows_the_events_knows_the_stage(script: Script) -> None:
    """Snapshot + later events = later snapshot, for what everybody sees."""
    state, said = play(script, room_state.initial(RULES))
    seats: dict[int, object] = {}
    show = None
    for event in said:
        assert all(audience.visible_to(event, a.subject, True) for a in CAST)
        match event:
            case SeatTaken() | SeatChanged():
                seats[event.seat.seat] = event.seat
            case SeatLeft():
                del seats[event.seat]
            case ShowChanged():
                show = event.show
    final_show, stage, _ = room_state.snapshot_for(state, ANN.subject, False)
    assert tuple(seats[n] for n in sorted(seats)) == stage.seats
    assert show in (None, final_show)


# --- time ---------------------------------------------------------------------------------------


def test_a_clock_that_is_behind_does_not_run_the_room_back() -> None:
    room = RoomDriver()
    room.go_live()
    room.now_ms -= 60_000
    room.ask(ANN, "q1")
    assert room.state.last_now_ms == START_MS
    assert room.state.questions.open[0].asked_ms == START_MS


def test_the_host_comes_back_within_the_grace() -> None:
    room = RoomDriver()
    room.go_live()
    room.seat(ANN)
    shown, seat = room.do(c.SeatConnectionLost(HOST.subject))
    assert isinstance(shown, ShowChanged)
    assert isinstance(seat, SeatChanged)
    assert shown.show.phase == "host_lost"
    assert shown.show.lost_until_ms == seat.seat.reconnecting_until_ms == START_MS + 60_000
    room.now_ms += 59_999
    shown, seat = room.do(c.SeatConnectionBack(HOST.subject))
    assert isinstance(seat, SeatChanged)
    assert seat.seat.reconnecting_until_ms is None
    assert isinstance(shown, ShowChanged)
    assert shown.show.phase == "live"
    assert len(room.state.stage.seats) == 2


def test_a_source_of_a_lost_host_makes_the_show_live_again() -> None:
    room = RoomDriver()
    room.go_live()
    room.do(c.HostLost(HOST.subject))
    assert isinstance(room.do(c.SourceStarted(HOST.subject, "camera"))[0], ShowChanged)
    assert room.state.show.phase == "live"
    check = room.state.stage.seats[0]
    assert (check.sources, check.reconnecting_until_ms) == (("camera",), None)


def test_starting_again_within_the_grace_continues_the_show() -> None:
    room = RoomDriver()
    room.go_live()
    room.do(c.HostLost(HOST.subject))
    room.do(c.StartShow(HOST, ShowId("other")))
    assert (room.state.show.show_id, room.state.show.phase) == ("show-1", "live")
    assert room.state.stage.seats[0].reconnecting_until_ms is None


def test_a_host_who_stays_away_ends_the_show_and_empties_the_stage() -> None:
    room = RoomDriver()
    room.go_live()
    room.seat(ANN)
    room.do(c.HostLost(HOST.subject))
    shown, host_left, ann_left = room.advance(3_600_000)
    assert isinstance(shown, ShowChanged)
    assert (shown.show.ended_reason, shown.show.ended_ms) == ("host_lost", START_MS + 60_000)
    assert isinstance(host_left, SeatLeft)
    assert isinstance(ann_left, SeatLeft)
    assert ann_left.on_ms == 60_000, "an hour without ticks is not an hour on the mic"


def test_an_overdue_show_ends_before_the_next_begins() -> None:
    room = RoomDriver()
    room.go_live()
    room.do(c.HostLost(HOST.subject))
    room.now_ms += 60_000
    other = person("other", "host")
    events = room.do(c.StartShow(other, ShowId("show-9")))
    phases = [e.show.phase for e in events if isinstance(e, ShowChanged)]
    assert phases == ["ended", "live"]
    assert room.state.stage.seats[0].subject == other.subject


def test_deadlines_are_the_earliest_of_all() -> None:
    room = RoomDriver()
    assert room_state.next_deadline_ms(room.state) is None
    room.go_live()
    room.invite(ANN)
    assert room_state.next_deadline_ms(room.state) == START_MS + 30_000
    room.seat(BEN)
    room.do(c.SeatConnectionLost(BEN.subject))
    assert room_state.next_deadline_ms(room.state) == START_MS + 15_000


# --- grants and phases --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        c.StartShow(ANN, ShowId("x")),
        c.EndShow(ANN),
        c.RequestMic(HOST, "x"),
        c.AcceptRequest(ANN, BEN.subject),
        c.RejectRequest(ANN, BEN.subject),
        c.Invite(ANN, "x", target(BEN)),
        c.CancelInvite(ANN, BEN.subject),
        c.RemoveGuest(ANN, BEN.subject),
        c.MuteSeat(ANN, HOST.subject, "camera", True),
    ],
)
def test_without_the_grant_everything_is_forbidden_in_every_phase(command: c.RoomCommand) -> None:
    room = RoomDriver()
    assert room.refusal_of(command) == "forbidden"
    room.go_live()
    assert room.refusal_of(command) == "forbidden"
    room.do(c.EndShow(HOST))
    assert room.refusal_of(command) == "forbidden"


def test_the_stage_needs_a_show() -> None:
    room = RoomDriver()
    for _ in range(2):
        assert room.refusal_of(c.RequestMic(ANN, "x")) == "not_live"
        assert room.refusal_of(c.Invite(STAFF, "x", target(ANN))) == "not_live"
        room.go_live()
        room.do(c.EndShow(HOST))


def test_the_host_may_not_leave_or_be_removed() -> None:
    room = RoomDriver()
    room.go_live()
    assert room.refusal_of(c.LeaveSeat(HOST)) == "forbidden"
    assert room.refusal_of(c.RemoveGuest(STAFF, HOST.subject)) == "forbidden"


# --- stored form --------------------------------------------------------------------------------


def test_a_state_of_the_version_before_is_read_with_defaults() -> None:
    old = {"v": 0, "last_now_ms": 7, "show": {"show_id": "s", "phase": "ended"}, "gone": [1, 2]}
    state = room_state.decode(msgspec.msgpack.encode(old))
    assert (state.v, state.last_now_ms) == (room_state.STATE_VERSION, 7)
    assert (state.show.phase, state.rules) == ("ended", RoomRules())


def test_records_may_grow_at_the_end() -> None:
    room = RoomDriver()
    room.go_live()
    room.seat(ANN)
    raw = msgspec.msgpack.decode(room_state.encode(room.state))
    raw["stage"]["seats"][1] = raw["stage"]["seats"][1][:6]
    raw["stage"]["seats"][0] = [*raw["stage"]["seats"][0], "of the future"]
    state = room_state.decode(msgspec.msgpack.encode(raw))
    assert state.stage == room.state.stage


@pytest.mark.parametrize(
    "blob", [b"", b"\x80" * 3, b"\xc1", msgspec.msgpack.encode({"v": 99}), b"\x81\xa1v\xa1x"]
)
def test_a_broken_or_newer_state_is_an_error_and_not_an_empty_room(blob: bytes) -> None:
    with pytest.raises(room_state.UnreadableState):
        room_state.decode(blob)


# --- snapshots ----------------------------------------------------------------------------------


def test_snapshots_show_each_what_they_may_see() -> None:
    room = RoomDriver()
    room.go_live("春季新品")
    room.request(ANN)
    room.invite(BEN)
    room.ask(ANN, "q1")
    show, stage, questions = room_state.snapshot_for(room.state, STAFF.subject, True)
    assert (show.title, stage.seats_total) == ("春季新品", 4)
    assert (len(stage.requests), len(stage.invites), len(questions)) == (1, 1, 1)
    _, stage, questions = room_state.snapshot_for(room.state, ANN.subject, False)
    assert (len(stage.requests), len(stage.invites), len(questions)) == (1, 0, 1)
    _, stage, questions = room_state.snapshot_for(room.state, BEN.subject, False)
    assert (len(stage.requests), len(stage.invites), len(questions)) == (0, 1, 0)


def test_new_rules_name_a_room_that_has_no_title() -> None:
    state = room_state.with_rules(room_state.initial(), RoomRules(title="今晚八点"))
    assert state.show.title == "今晚八点"

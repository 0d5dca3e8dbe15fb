"""The show: every (phase, command) pair does what the table says."""

from __future__ import annotations

import pytest

from signaling import commands as c
from signaling import show
from signaling.errors import Refusal
from signaling.ids import ShowId
from signaling.protocol import ShowChanged
from signaling.rules import RoomRules
from signaling.show import ShowState
from signaling.views import ShowPhase
from tests.support.room_driver import HOST, START_MS, person

RULES = RoomRules(title="今晚八点")
OTHER_HOST = person("other", "host")
NOW_MS = START_MS + 5_000

COMMANDS: dict[str, c.RoomCommand] = {
    "StartShow": c.StartShow(HOST, ShowId("show-2")),
    "EndShow": c.EndShow(HOST),
    "HostLost": c.HostLost(HOST.subject),
    "HostReturned": c.HostReturned(HOST.subject),
}


def in_phase(phase: ShowPhase) -> ShowState:
    if phase == "scheduled":
        return ShowState()
    return ShowState(
        show_id=ShowId("show-1"),
        phase=phase,
        title="first",
        host=HOST.subject,
        started_ms=START_MS,
        lost_until_ms=NOW_MS if phase == "host_lost" else None,
        ended_ms=START_MS + 1 if phase == "ended" else None,
    )


@pytest.mark.parametrize("phase", show.PHASES)
@pytest.mark.parametrize("name", show.TABLE.inputs)
def test_every_pair_follows_the_table(phase: ShowPhase, name: str) -> None:
    state = in_phase(phase)
    step = show.TABLE.step(phase, name)
    if step.refusal is not None:
        with pytest.raises(Refusal) as refused:
            show.apply(state, COMMANDS[name], NOW_MS, RULES)
        assert refused.value.code == step.refusal
        return
    if name == show.GRACE_OVER:
        after, events = show.expire(state, NOW_MS)
    else:
        after, events = show.apply(state, COMMANDS[name], NOW_MS, RULES)
    if step.is_stay:
        assert (after, events) == (state, ())
    else:
        assert after.phase == step.to
        assert events == (ShowChanged(show=show.view(after)),)


def test_a_new_show_gets_its_own_id_and_keeps_the_title() -> None:
    after, _ = show.apply(in_phase("ended"), COMMANDS["StartShow"], NOW_MS, RULES)
    assert (after.show_id, after.title, after.started_ms) == ("show-2", "first", NOW_MS)
    assert after.ended_ms is None


def test_the_first_show_takes_the_title_of_the_room() -> None:
    after, _ = show.apply(ShowState(), COMMANDS["StartShow"], NOW_MS, RULES)
    assert after.title == "今晚八点"


def test_coming_back_keeps_show_and_start() -> None:
    command = c.StartShow(HOST, ShowId("ignored"), "new title")
    after, _ = show.apply(in_phase("host_lost"), command, NOW_MS, RULES)
    assert (after.show_id, after.started_ms, after.title) == ("show-1", START_MS, "new title")
    assert after.lost_until_ms is None


def test_another_host_cannot_take_over_a_lost_show() -> None:
    with pytest.raises(Refusal, match="source_taken"):
        show.apply(in_phase("host_lost"), c.StartShow(OTHER_HOST, ShowId("x")), NOW_MS, RULES)


def test_the_loss_of_somebody_else_is_not_the_hosts() -> None:
    state = in_phase("live")
    assert show.apply(state, c.HostLost(OTHER_HOST.subject), NOW_MS, RULES) == (state, ())
    lost = in_phase("host_lost")
    assert show.apply(lost, c.HostReturned(OTHER_HOST.subject), NOW_MS, RULES) == (lost, ())


def test_grace_runs_from_the_loss_and_ends_the_show() -> None:
    lost, _ = show.apply(in_phase("live"), c.HostLost(HOST.subject), NOW_MS, RULES)
    assert show.next_deadline_ms(lost) == NOW_MS + RULES.host_grace_ms
    assert show.expire(lost, NOW_MS + RULES.host_grace_ms - 1) == (lost, ())
    ended, _ = show.expire(lost, NOW_MS + RULES.host_grace_ms)
    assert (ended.phase, ended.ended_reason) == ("ended", "host_lost")
    assert show.next_deadline_ms(ended) is None

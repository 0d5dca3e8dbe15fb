"""Slow mode as host and staff set it."""

from __future__ import annotations

from signaling import commands as c
from signaling import room_state
from signaling.protocol import SlowModeChanged
from signaling.rules import RoomRules
from tests.support.room_driver import ANN, HOST, STAFF, RoomDriver


def test_staff_set_it_and_everybody_is_told() -> None:
    room = RoomDriver()
    assert room.state.slow_mode_s == 0
    assert room.do(c.SetSlowMode(STAFF, 10)) == (SlowModeChanged(slow_mode_s=10, by="staff"),)
    assert room_state.decode(room_state.encode(room.state)).slow_mode_s == 10
    assert room.do(c.SetSlowMode(HOST, 10)) == (), "said again it changes nothing"
    assert room.refusal_of(c.SetSlowMode(ANN, 0)) == "forbidden"


def test_the_settings_count_until_somebody_sets_another() -> None:
    room = RoomDriver(RoomRules(slow_mode_s=5))
    assert room.state.slow_mode_s == 5
    room.do(c.SetSlowMode(HOST, 0))
    assert room_state.with_rules(room.state, RoomRules(slow_mode_s=30)).slow_mode_s == 0

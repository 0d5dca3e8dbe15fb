"""Lanes before one scarce thing: none starves, none fills another's part."""

from __future__ import annotations

import random

import pytest

from signaling.backlog import LEAST_OF_GROUP, ROOM, Backlog
from signaling.lane import Lane


def test_a_flood_of_chat_leaves_the_upper_lanes_their_room() -> None:
    backlog: Backlog[int] = Backlog({**ROOM, Lane.CHAT: 3})
    assert [backlog.push(Lane.CHAT, n) for n in range(5)] == [True, True, True, False, False]
    assert backlog.push(Lane.QUESTION, 7)
    assert backlog.take(100) == [7, 0, 1, 2]
    assert len(backlog) == 0


def test_clearing_gives_everything() -> None:
    backlog: Backlog[int] = Backlog()
    backlog.push(Lane.CHAT, 1)
    backlog.push(Lane.CONTROL, 2)
    assert backlog.clear() == [2, 1]
    assert backlog.take(9) == []


@pytest.mark.parametrize("seed", range(5))
def test_under_any_load_order_holds_and_no_lane_starves(seed: int) -> None:
    dice = random.Random(seed)
    backlog: Backlog[tuple[Lane, int]] = Backlog(dict.fromkeys(Lane, 200))
    admitted: dict[Lane, list[int]] = {lane: [] for lane in Lane}
    left: dict[Lane, list[int]] = {lane: [] for lane in Lane}
    for number in range(20_000):
        lane = dice.choice(list(Lane))
        if backlog.push(lane, (lane, number)):
            admitted[lane].append(number)
        if number % 100 == 99:
            waited = {lane for lane in Lane if len(admitted[lane]) > len(left[lane])}
            group = backlog.take(64)
            assert len(group) <= 64
            assert [lane for lane, _ in group] == sorted(lane for lane, _ in group)
            for lane, one in group:
                left[lane].append(one)
            assert {lane for lane, _ in group} == waited
            assert all(len(admitted[lane]) - len(left[lane]) <= 200 for lane in Lane), (
                "never more than its room"
            )
    for lane, one in backlog.clear():
        left[lane].append(one)
    assert left == admitted, "what was admitted comes out, in its lane's order"
    assert 64 // LEAST_OF_GROUP > 0

"""Every peer about once a second, a twentieth at a time."""

from __future__ import annotations

from collections import Counter
from typing import cast

import pytest

from media.peer import Peer
from media.rotation import PORTION_S, PORTIONS, Rotation


def people(count: int) -> list[Peer]:
    # The rotation never looks inside.
    return [cast("Peer", object()) for _ in range(count)]


@pytest.mark.parametrize("count", [0, 1, 3, 20, 21, 500])
def test_everybody_comes_once_a_round_in_small_portions(count: int) -> None:
    peers = people(count)
    rotation = Rotation(0.0)
    seen: Counter[int] = Counter()
    now, calls = 0.0, 0
    while now < 10.5:
        now = rotation.next_deadline()
        taken = rotation.take(peers, now)
        assert len(taken) <= -(-count // PORTIONS)
        seen.update(id(peer) for peer in taken)
        calls += 1
    assert calls <= 10.5 / PORTION_S + 2
    assert all(9 <= seen[id(peer)] <= 11 for peer in peers)


def test_nothing_before_its_time() -> None:
    rotation = Rotation(5.0)
    assert rotation.take(people(3), 5.99) == []
    assert rotation.next_deadline() == 6.0


def test_who_came_during_a_round_is_in_the_next() -> None:
    rotation = Rotation(0.0)
    peers = people(40)
    rotation.take(peers, 1.0)
    peers += people(1)
    rounds = [
        [peer for _ in range(portions) for peer in rotation.take(peers, rotation.next_deadline())]
        for portions in (PORTIONS - 1, PORTIONS)
    ]
    assert peers[-1] not in rounds[0]
    assert peers[-1] in rounds[1]


def test_a_late_caller_finishes_the_round_before_the_next() -> None:
    peers = people(40)
    rotation = Rotation(0.0)
    seen: Counter[int] = Counter()
    for second in range(1, 41):
        seen.update(id(peer) for peer in rotation.take(peers, float(second)))
    assert set(seen.values()) == {2}


def test_nobody_is_kept_when_all_are_gone() -> None:
    rotation = Rotation(0.0)
    rotation.take(people(100), 1.0)
    rotation.clear()
    assert rotation.take([], 1.0 + PORTION_S) == []

from __future__ import annotations

import itertools
import random

import pytest

from loadtest.network.wander import Wander


def path(reach_s: float, step_s: float, steps: int) -> list[float]:
    wander = Wander(reach_s, random.Random(3))
    return [wander.take_offset_s(100 + step * step_s) for step in range(steps)]


@pytest.mark.parametrize("reach_s", [0.001, 0.02, 0.5])
@pytest.mark.parametrize("step_s", [0.0005, 0.033, 7.0])
def test_it_uses_its_reach_and_never_lets_anybody_overtake(reach_s: float, step_s: float) -> None:
    offsets = path(reach_s, step_s, 20_000)
    assert all(abs(offset) <= reach_s for offset in offsets)
    # 20 000 steps are at least 5 legs.
    assert max(offsets) - min(offsets) > reach_s / 2
    for before, after in itertools.pairwise(offsets):
        assert after - before > -step_s


def test_its_mean_is_nothing() -> None:
    offsets = path(0.02, 0.01, 50_000)
    # 5000 legs, each with a value that deviates by reach / sqrt(3).
    assert abs(sum(offsets) / len(offsets)) < 4 * 0.02 / (3 * 5000) ** 0.5


def test_it_is_smooth() -> None:
    for before, after in itertools.pairwise(path(0.02, 0.001, 1000)):
        # From one end to the other takes a leg, 100 ms.
        assert abs(after - before) <= 0.04 / 100 + 1e-12


def test_without_reach_it_stays() -> None:
    assert set(path(0.0, 0.01, 100)) == {0.0}

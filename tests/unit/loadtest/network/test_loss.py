from __future__ import annotations

import itertools
import math
import random

import pytest

from loadtest.network.loss import LossModel, gilbert

PACKETS = 40_000


def losses(loss: float, burst: float, seed: int) -> list[bool]:
    model = LossModel(loss, burst, random.Random(seed))
    return [model.take_lost() for _ in range(PACKETS)]


def rows_of(lost: list[bool]) -> list[int]:
    return [len(list(row)) for is_lost, row in itertools.groupby(lost) if is_lost]


@pytest.mark.parametrize("loss", [0.01, 0.05, 0.2, 0.5])
@pytest.mark.parametrize("seed", range(3))
def test_independent_losses_are_as_many_as_asked(loss: float, seed: int) -> None:
    lost = losses(loss, 1, seed)
    four_sigma = 4 * math.sqrt(loss * (1 - loss) / PACKETS)
    assert abs(sum(lost) / PACKETS - loss) < four_sigma
    rows = rows_of(lost)
    assert sum(rows) / len(rows) == pytest.approx(1 / (1 - loss), rel=0.1)


@pytest.mark.parametrize("loss", [0.05, 0.2])
@pytest.mark.parametrize("burst", [2, 5])
@pytest.mark.parametrize("seed", range(3))
def test_bursts_are_as_long_as_asked(loss: float, burst: float, seed: int) -> None:
    lost = losses(loss, burst, seed)
    rows = rows_of(lost)
    # Rows are geometric: their deviation is about their mean.
    four_sigma = 4 * burst / math.sqrt(len(rows))
    assert abs(sum(rows) / len(rows) - burst) < four_sigma
    # Neighbours are alike, so that fewer draws are independent.
    assert abs(sum(lost) / PACKETS - loss) < 4 * math.sqrt(2 * burst * loss / PACKETS)


def test_none_and_all() -> None:
    assert not any(losses(0, 1, seed=1))
    assert not any(losses(0, 4, seed=1))
    assert all(losses(1, 1, seed=1))


def test_the_chances_of_the_chain() -> None:
    to_bad, to_good = gilbert(0.2, 4)
    assert to_good == 0.25
    assert to_bad / (to_bad + to_good) == pytest.approx(0.2)
    assert gilbert(1, 1) == (1.0, 1.0)

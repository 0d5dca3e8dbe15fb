from __future__ import annotations

import pytest

from loadtest.bench.figures import machine, percentile


@pytest.mark.parametrize(
    ("share", "value"), [(0.0, 1), (0.01, 1), (0.5, 5), (0.51, 6), (0.95, 10), (0.99, 10), (1, 10)]
)
def test_nearest_rank(share: float, value: float) -> None:
    assert percentile([10, 2, 3, 1, 5, 4, 7, 6, 9, 8], share) == value


def test_one_value_is_every_percentile() -> None:
    assert [percentile([7.0], share) for share in (0.0, 0.5, 1.0)] == [7.0] * 3


def test_no_values_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


def test_the_machine_is_described() -> None:
    about = machine()
    assert set(about) == {"date", "processor", "cores", "kernel", "python", "commit"}
    assert all(about.values())

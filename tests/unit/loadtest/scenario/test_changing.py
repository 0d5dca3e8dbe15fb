from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loadtest.scenario.changing import apportioned


@given(st.integers(0, 1000), st.lists(st.integers(0, 50), min_size=1, max_size=6))
def test_nobody_is_lost_and_shares_are_kept_within_one(total: int, weights: list[int]) -> None:
    counts = apportioned(total, weights)
    assert sum(counts) == total
    whole = sum(weights)
    for count, weight in zip(counts, weights, strict=True):
        share = total * weight / whole if whole else total / len(weights)
        assert abs(count - share) < 1 + 1e-6


def test_with_no_weights_all_get_the_same() -> None:
    assert apportioned(7, [0, 0, 0]) == [3, 2, 2]

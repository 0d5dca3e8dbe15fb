"""Counts by edge, as Prometheus reads them."""

from __future__ import annotations

import math

import pytest

from signaling.distribution import SECONDS, Distribution


def test_an_observation_counts_at_its_edge_and_above() -> None:
    found = Distribution((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 2.0, 99.0):
        found.observe(value)
    assert found.cumulative() == [(1.0, 2), (2.0, 4), (math.inf, 5)]
    assert (found.count, found.sum) == (5, 104.0)


def test_an_empty_one_has_all_its_edges() -> None:
    steps = Distribution().cumulative()
    assert [edge for edge, _ in steps] == [*SECONDS, math.inf]
    assert {count for _, count in steps} == {0}


def test_edges_that_do_not_grow_are_a_mistake_of_ours() -> None:
    with pytest.raises(AssertionError, match="edges grow"):
        Distribution((2.0, 1.0))

from __future__ import annotations

import math
from typing import Any

import pytest

from loadtest.network.conditions import Conditions, LinkConditions


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"loss": 1.01}, "loss"),
        ({"loss": -0.1}, "loss"),
        ({"loss": math.nan}, "loss"),
        ({"duplicate": 2}, "duplicate"),
        ({"reorder": 5, "delay_ms": 1}, "reorder"),
        ({"reorder": 0.1}, "delay_ms"),
        ({"delay_ms": -1}, "delay_ms"),
        ({"delay_ms": math.inf}, "delay_ms"),
        ({"delay_ms": 5, "jitter_ms": 6}, "jitter_ms"),
        ({"burst": 0.5}, "burst"),
        ({"burst": 2, "loss": 0.9}, "burst"),
        ({"queue_ms": -1}, "queue_ms"),
        ({"queue_ms": math.nan}, "queue_ms"),
        ({"rate_bps": 0}, "rate_bps"),
        ({"rate_bps": math.inf}, "rate_bps"),
    ],
)
def test_what_no_link_can_do_is_refused_in_one_line(given: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named) as refusal:
        Conditions(**given)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"loss": 1},
        {"loss": 2 / 3, "burst": 2},
        {"delay_ms": 5, "jitter_ms": 5, "reorder": 1},
        {"rate_bps": 1, "queue_ms": 0},
    ],
)
def test_the_edges_are_good(given: dict[str, Any]) -> None:
    conditions = Conditions(**given)
    assert {name: getattr(conditions, name) for name in given} == given


def test_only_what_netem_does_disturbs() -> None:
    assert not Conditions(rate_bps=1e6).disturbs
    assert not Conditions().disturbs
    assert Conditions(loss=0.1).disturbs
    assert Conditions(delay_ms=1).disturbs
    assert Conditions(duplicate=0.1).disturbs


def test_both_directions_may_be_alike() -> None:
    slow = Conditions(delay_ms=100)
    both = LinkConditions.both(slow)
    assert (both.downlink, both.uplink) == (slow, slow)
    assert LinkConditions(downlink=slow).uplink == Conditions()

"""Bars follow the documented bounds, and a worse connection never earns more."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.signal_bars import BOUNDS, Bound, signal_bars


def bars(
    loss: float = 0.0,
    rtt_ms: float | None = None,
    jitter_ms: float | None = None,
    *,
    kbps: int = 900,
    is_silent: bool = False,
) -> int:
    return signal_bars(
        is_silent=is_silent, kbps=kbps, loss=loss, rtt_ms=rtt_ms, jitter_ms=jitter_ms
    )


def test_nothing_known_against_it_is_good() -> None:
    assert bars() == 4


@pytest.mark.parametrize("bound", BOUNDS)
def test_each_bound_is_the_worst_that_earns_its_bars(bound: Bound) -> None:
    earned, loss, rtt_ms, jitter_ms = bound
    assert bars(loss, rtt_ms, jitter_ms) == earned
    assert bars(loss + 0.001, rtt_ms, jitter_ms) == earned - 1
    assert bars(loss, rtt_ms + 1, jitter_ms) == earned - 1
    assert bars(loss, rtt_ms, jitter_ms + 1) == earned - 1


def test_bounds_lie_one_inside_the_other() -> None:
    assert [bound.bars for bound in BOUNDS] == [4, 3, 2]
    for better, worse in itertools.pairwise(BOUNDS):
        assert all(a < b for a, b in zip(better[1:], worse[1:], strict=True))


def test_what_is_lost_is_still_heard() -> None:
    assert bars(0.5, 3_000, 900) == 1


def test_silence_and_an_empty_uplink_have_no_bars() -> None:
    assert bars(is_silent=True) == 0
    assert bars(kbps=0) == 0
    assert bars(kbps=1) == 4


@given(
    st.tuples(st.floats(0, 1), st.floats(0, 2_000), st.floats(0, 500)),
    st.tuples(st.floats(0, 1), st.floats(0, 2_000), st.floats(0, 500)),
)
def test_worse_never_earns_more(
    one: tuple[float, float, float], other: tuple[float, float, float]
) -> None:
    worst = [max(pair) for pair in zip(one, other, strict=True)]
    assert bars(*worst) <= min(bars(*one), bars(*other))

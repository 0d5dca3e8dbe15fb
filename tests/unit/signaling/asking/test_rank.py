"""The host's order: reasons add up, nobody starves, more askers stand higher."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from signaling.asking import Candidate, rank
from signaling.asking.rank import (
    INTENT_POINTS,
    MAX_BONUS,
    MAX_OVERTAKING_MS,
    POINT_MS,
    TIER_POINTS,
    score,
)

NOW = 1_767_348_000_000

candidates = st.builds(
    Candidate,
    question_id=st.text("abcdef", min_size=1, max_size=4),
    asked_ms=st.integers(NOW - 3_600_000, NOW),
    askers=st.integers(1, 5000),
    paid_before=st.booleans(),
    tier=st.sampled_from([None, "unknown", *TIER_POINTS]),
    intent=st.sampled_from([None, *INTENT_POINTS]),
)


def test_points_and_reasons() -> None:
    found = score(Candidate("q", NOW - 60_000, 8, True, "mid_active", "price"), NOW)
    assert [(r.kind, r.points, r.value) for r in found.reasons] == [
        ("askers", 30.0, "8"),
        ("paid", 20.0, ""),
        ("tier", 10.0, "mid_active"),
        ("waiting", 10.0, "60"),
        ("intent", 5.0, "price"),
    ]
    assert found.score == 75.0


def test_a_newcomer_of_whom_nothing_is_known_has_no_reasons() -> None:
    found = score(Candidate("q", NOW), NOW)
    assert (found.score, found.reasons) == (0.0, ())


def test_a_clock_that_runs_backwards_is_no_waiting() -> None:
    assert score(Candidate("q", NOW + 5000), NOW).score == 0.0


@given(candidates)
def test_reasons_add_up(candidate: Candidate) -> None:
    found = score(candidate, NOW)
    assert abs(found.score - sum(r.points for r in found.reasons)) < 1e-9
    waited = (NOW - candidate.asked_ms) / POINT_MS
    assert waited <= found.score <= waited + MAX_BONUS + 1e-9


@given(candidates, candidates)
def test_nobody_is_overtaken_by_who_comes_much_later(one: Candidate, other: Candidate) -> None:
    late = replace(other, question_id="late", asked_ms=one.asked_ms + MAX_OVERTAKING_MS + 1)
    early = replace(one, question_id="early")
    now = late.asked_ms
    for later in (0, 60_000, 86_400_000):
        assert rank([late, early], now + later)[0].question_id == "early"


@given(candidates, st.integers(1, 5000))
def test_more_askers_never_stand_lower(candidate: Candidate, more: int) -> None:
    few = replace(candidate, question_id="few")
    many = replace(candidate, question_id="many", askers=candidate.askers + more)
    assert rank([few, many], NOW)[0].question_id == "many"
    assert rank([many, few], NOW)[0].question_id == "many"


@given(st.lists(candidates, max_size=12, unique_by=lambda c: c.question_id), st.randoms())
def test_the_order_does_not_depend_on_the_order_given(
    given_order: list[Candidate], random: object
) -> None:
    shuffled = list(given_order)
    random.shuffle(shuffled)  # type: ignore[attr-defined] # hypothesis hands in a Random
    assert rank(shuffled, NOW) == rank(given_order, NOW)
    ranked = rank(given_order, NOW)
    assert sorted(r.question_id for r in ranked) == sorted(c.question_id for c in given_order)
    assert [r.score for r in ranked] == sorted((r.score for r in ranked), reverse=True)


@given(candidates, candidates, st.integers(0, 10_000_000))
def test_waiting_together_changes_no_order(one: Candidate, other: Candidate, later: int) -> None:
    pair = [replace(one, question_id="a"), replace(other, question_id="b")]
    apart = abs(score(pair[0], NOW).score - score(pair[1], NOW).score)
    if apart > 1e-6:
        assert [r.question_id for r in rank(pair, NOW)] == [
            r.question_id for r in rank(pair, NOW + later)
        ]

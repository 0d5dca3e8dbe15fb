"""Which open question the host sees first: a sum of points, each with its reason.

    points = paid before        20
           + tier               0..15    (`TIER_POINTS`)
           + askers             10 x log2(askers), at most 60 (64 askers)
           + intent             0..6     (`INTENT_POINTS`)
           + waiting            1 each 6 seconds, without end

All but the waiting is at most `MAX_BONUS`, and all wait at the same pace. So a question can only be
overtaken by one asked less than `MAX_OVERTAKING_MS` after it: nobody starves, whoever comes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from signaling.asking.lexicon import Intent

PAID_POINTS: Final = 20.0
TIER_POINTS: Final = {
    "hv_active": 15.0,
    "hv_silent": 15.0,
    "mid_active": 10.0,
    "cooling": 8.0,
    "lv_active": 5.0,
    "lv_silent": 3.0,
    "prospect": 0.0,
}
"""Tiers of the retention definitions (docs/retention.md): keep the best, win back who went silent.
A tier that is not known has no points."""
DOUBLING_POINTS: Final = 10.0
MAX_ASKER_POINTS: Final = 60.0
INTENT_POINTS: Final[dict[Intent, float]] = {
    "how_to_buy": 6.0,
    "price": 5.0,
    "stock": 5.0,
    "suitability": 4.0,
    "comparison": 4.0,
    "promo_rule": 3.0,
    "authenticity": 3.0,
    "aftersales": 3.0,
    "spec": 2.0,
    "usage": 2.0,
    "logistics": 2.0,
    "show_request": 1.0,
    "schedule": 0.0,
}
"""What stands between somebody and an order comes first."""
POINT_MS: Final = 6000
"""Waiting that counts one point: a minute is worth as much as twice the askers."""
MAX_BONUS: Final = (
    PAID_POINTS + max(TIER_POINTS.values()) + MAX_ASKER_POINTS + max(INTENT_POINTS.values())
)
MAX_OVERTAKING_MS: Final = int(MAX_BONUS * POINT_MS)

ReasonKind = Literal["paid", "tier", "askers", "intent", "waiting"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """An open question, or a cluster of them; `asked_ms` is when it was first asked (Unix ms).

    `tier` and `paid_before` are the best of all who ask it.
    """

    question_id: str
    asked_ms: int
    askers: int = 1
    paid_before: bool = False
    tier: str | None = None
    intent: Intent | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """`value` as text: the tier, the number of askers, the intent, seconds waited."""

    kind: ReasonKind
    points: float
    value: str


@dataclass(frozen=True, slots=True)
class Ranked:
    question_id: str
    score: float
    reasons: tuple[Reason, ...]
    """Most points first, none without points."""


def rank(candidates: Iterable[Candidate], now_ms: int) -> tuple[Ranked, ...]:
    """The order for the host. Among equals: more askers, then who waited longer, then the id."""
    scored = [(score(candidate, now_ms), candidate) for candidate in candidates]
    scored.sort(
        key=lambda pair: (-pair[0].score, -pair[1].askers, pair[1].asked_ms, pair[1].question_id)
    )
    return tuple(ranked for ranked, _ in scored)


def score(candidate: Candidate, now_ms: int) -> Ranked:
    """Points of one question. A clock that runs backwards is taken for no waiting at all."""
    waited_ms = max(0, now_ms - candidate.asked_ms)
    askers = max(1, candidate.askers)
    reasons = (
        Reason("paid", PAID_POINTS if candidate.paid_before else 0.0, ""),
        Reason("tier", TIER_POINTS.get(candidate.tier or "", 0.0), candidate.tier or ""),
        Reason("askers", min(MAX_ASKER_POINTS, DOUBLING_POINTS * math.log2(askers)), str(askers)),
        Reason("intent", _intent_points(candidate.intent), candidate.intent or ""),
        Reason("waiting", waited_ms / POINT_MS, str(waited_ms // 1000)),
    )
    told = sorted((r for r in reasons if r.points > 0), key=lambda r: (-r.points, r.kind))
    return Ranked(candidate.question_id, sum(r.points for r in reasons), tuple(told))


def _intent_points(intent: Intent | None) -> float:
    return 0.0 if intent is None else INTENT_POINTS[intent]

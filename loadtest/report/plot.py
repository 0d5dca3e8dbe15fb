"""A plot as plain values; `web/page.js` draws it. Colours and words are its own."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from loadtest.report.model import Percentiles

_DIGITS: Final = 4

Values = list[float | None]


class Curve(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`tone` is a colour of the theme by number."""

    name: str
    x: list[float]
    y: Values
    tone: int = 0
    shape: Literal["line", "step", "bar", "points"] = "line"
    hollow: list[int] = []
    """Places of points to doubt: drawn as rings."""
    above: list[float] = []
    below: list[float] = []
    """Whiskers, from the point."""


class Plot(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    title: str
    about: str
    x: str
    y: str
    curves: list[Curve]
    x_is_log: bool = False
    y_labels: list[str] = []
    """For points on rows: row 0 is the lowest."""
    line_at: float | None = None
    """A dashed line across, at that y (with `y_labels`: at that x)."""
    shaded_until: float | None = None
    """The warm-up, in x."""


def rank(of: Percentiles | None, which: Literal["p50", "p95", "p99"]) -> float | None:
    """None when it was not measured."""
    if of is None:
        return None
    return {"p50": of.p50, "p95": of.p95, "p99": of.p99}[which]


def short(value: float) -> float:
    """A page needs no sixteen digits."""
    return float(f"{value:.{_DIGITS}g}")

"""Numbers as people read them. A dash stands for what was not measured."""

from __future__ import annotations

import math
from typing import Final

from loadtest.report.model import Ratio

DASH: Final = "–"


def number(value: float | None, digits: int = 3) -> str:
    """With `digits` significant digits, thousands apart, never in powers of ten: 1,234 · 12.3 ·
    0.0123."""
    if value is None or value != value:
        return DASH
    if value == 0:
        return "0"
    if abs(value) >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    places = digits - 1
    shown = abs(value)
    while shown < 1 and places < 6:
        shown *= 10
        places += 1
    while shown >= 10 and places > 0:
        shown /= 10
        places -= 1
    text = f"{value:.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def count(value: int | None) -> str:
    return DASH if value is None else f"{value:,}"


def percent(value: float | None) -> str:
    """Small shares keep their digits, and so do those that miss little: 0.012 % is not 0 %, and
    99.98 % is not 100 %."""
    if value is not None and 99 < value < 100:
        places = min(6, math.ceil(-math.log10(100 - value)))
        return f"{math.floor(value * 10**places) / 10**places:.{places}f} %"
    return DASH if value is None else f"{number(value)} %"


def bitrate(bits_per_s: float | None) -> str:
    for unit, size in (("Gbit/s", 1e9), ("Mbit/s", 1e6), ("kbit/s", 1e3)):
        if bits_per_s is not None and bits_per_s >= size:
            return f"{number(bits_per_s / size)} {unit}"
    return DASH if bits_per_s is None else f"{number(bits_per_s)} bit/s"


def memory(value: int | None) -> str:
    if value is None:
        return DASH
    for unit, size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if abs(value) >= size:
            return f"{number(value / size)} {unit}"
    return f"{value} B"


def duration(seconds: float) -> str:
    """45 s · 2:05 · 1:00:00"""
    whole = round(seconds)
    if whole < 60:
        return f"{number(seconds)} s" if seconds != whole else f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def times(ratio: float) -> str:
    """2.31x · 14.2x · 230x"""
    places = 2 if ratio < 10 else 1 if ratio < 100 else 0
    return f"{ratio:.{places}f}x"


def spread(ratio: Ratio) -> str:
    """2.31x (2.10-2.62, 4 pairs)"""
    pairs = "1 pair" if len(ratio.pairs) == 1 else f"{len(ratio.pairs)} pairs"
    lowest, highest = times(ratio.lowest)[:-1], times(ratio.highest)[:-1]
    return f"{times(ratio.median)} ({lowest}-{highest}, {pairs})"


def one_line(text: str) -> str:
    """Text from servers and files, on one line and without control characters: a terminal would
    obey them."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())

"""Quantities as people write them in a scenario, read into plain numbers and back.

Numbers without a unit are taken as they are kept: seconds, a second, bits a second, 0..1. What is
no such quantity raises `ValueError` with the accepted form.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, PlainSerializer

MAX_SECONDS: Final = 48 * 3600.0
MAX_DELAY_S: Final = 10.0
MIN_PER_S: Final = 1 / 3600
MAX_PER_S: Final = 100_000.0
MIN_BPS: Final = 1000.0
MAX_BPS: Final = 10e9
MIN_VIDEO_BPS: Final = 20_000.0
MAX_VIDEO_BPS: Final = 50_000_000.0

_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_PERIODS: Final = {"s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0}
_BITS: Final = {"bit": 1.0, "kbit": 1e3, "mbit": 1e6, "gbit": 1e9}
_NUMBER: Final = r"(\d+(?:\.\d+)?)"
_DURATION_PART: Final = re.compile(_NUMBER + "(ms|min|s|m|h)")
_DURATION: Final = re.compile(rf"(?:{_NUMBER}(?:ms|min|s|m|h))+")
_RATE: Final = re.compile(rf"{_NUMBER}/({'|'.join(_PERIODS)})")
_BITRATE: Final = re.compile(rf"{_NUMBER}({'|'.join(_BITS)})(?:/s|ps)?")
_PERCENT: Final = re.compile(rf"{_NUMBER}%")

MAX_CHARS: Final = 40
"""Longer texts are no quantity, and are not searched."""


def parse_duration_s(value: object) -> float:
    """Seconds of "500ms", "10s", "1m30s", "5m", "2h", or of a number of seconds."""
    text = _plain_or_text(value)
    if isinstance(text, float):
        return text
    if not _DURATION.fullmatch(text):
        raise ValueError(f'{_quoted(value)} is no duration; write it like "500ms", "10s" or "5m"')
    return sum(float(number) * _SECONDS[unit] for number, unit in _DURATION_PART.findall(text))


def parse_per_s(value: object) -> float:
    """A second, of "20/s", "30/min", "2/h", or of a number a second."""
    text = _plain_or_text(value)
    if isinstance(text, float):
        return text
    found = _RATE.fullmatch(text)
    if not found:
        raise ValueError(f'{_quoted(value)} is no rate; write it like "20/s" or "30/min"')
    return float(found[1]) / _PERIODS[found[2]]


def parse_bps(value: object) -> float:
    """Bits a second of "1.2Mbit", "600kbit" (with or without "/s"), or of a number of them."""
    text = _plain_or_text(value)
    if isinstance(text, float):
        return text
    found = _BITRATE.fullmatch(text)
    if not found:
        raise ValueError(f'{_quoted(value)} is no bitrate; write it like "600kbit" or "1.2Mbit"')
    return float(found[1]) * _BITS[found[2]]


def parse_share(value: object) -> float:
    """0..1 of "5%", or of a number in that range."""
    text = _plain_or_text(value)
    if isinstance(text, str):
        found = _PERCENT.fullmatch(text)
        if not found:
            raise ValueError(f'{_quoted(value)} is no share; write it like "5%"')
        text = float(found[1]) / 100
    if not 0 <= text <= 1:
        raise ValueError(f'{_quoted(value)} is not within 0..1; write percents like "5%"')
    return text


def format_duration(seconds: float) -> str:
    """The shortest text that reads as the same, exact to the millisecond."""
    milliseconds = round(seconds * 1000)
    if milliseconds == 0:
        return "0s"
    return _with_unit(milliseconds, {"h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1})


def format_per_s(per_s: float) -> str:
    """A second, or a minute or hour when that is the rounder number."""
    for period, seconds in (("s", 1), ("min", 60), ("h", 3600)):
        amount = per_s * seconds
        if math.isclose(amount, round(amount, 3)):
            return f"{_shortest(amount)}/{period}"
    return f"{_shortest(per_s)}/s"


def format_bps(bps: float) -> str:
    """In the largest unit that leaves few digits."""
    if bps < 1000:
        return f"{_shortest(bps)}bit"
    unit, size = ("Mbit", 1e6) if bps >= 1e6 else ("kbit", 1e3)
    return f"{_shortest(bps / size)}{unit}"


def format_share(share: float) -> str:
    return f"{_shortest(share * 100)}%"


def _with_unit(amount: int, units: Mapping[str, int]) -> str:
    unit, size = next((unit, size) for unit, size in units.items() if amount % size == 0)
    return f"{amount // size}{unit}"


def _shortest(number: float) -> str:
    """Six digits behind the point at most, and never an exponent."""
    return f"{number:.6f}".rstrip("0").rstrip(".")


def _plain_or_text(value: object) -> float | str:
    """A finite number as it is; anything else as text without spaces, in lower case."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not math.isfinite(value):
            raise ValueError(f"{value} is no finite number")
        return float(value)
    text = str(value)
    if len(text) > MAX_CHARS:
        return ""  # matches no form
    text = text.replace(" ", "").lower()
    try:
        number = float(text)
    except ValueError:
        return text  # not a bare number: it must carry a unit
    return _plain_or_text(number)


def _quoted(value: object) -> str:
    text = str(value)
    return repr(text if len(text) <= MAX_CHARS else text[:MAX_CHARS] + "...")


def _shown_by(show: Callable[[float], str]) -> PlainSerializer:
    return PlainSerializer(show, return_type=str, when_used="json")


def _within(low: float, high: float, show: Callable[[float], str]) -> AfterValidator:
    def check(value: float) -> float:
        if not low <= value <= high:
            raise ValueError(f"must be {show(low)} to {show(high)}")
        return value

    return AfterValidator(check)


_SECONDS_FORM: Final = (BeforeValidator(parse_duration_s), _shown_by(format_duration))
_BPS_FORM: Final = (BeforeValidator(parse_bps), _shown_by(format_bps))

Seconds = Annotated[float, _within(0, MAX_SECONDS, format_duration), *_SECONDS_FORM]
RunSeconds = Annotated[float, _within(1, MAX_SECONDS, format_duration), *_SECONDS_FORM]
DelaySeconds = Annotated[float, _within(0, MAX_DELAY_S, format_duration), *_SECONDS_FORM]
PerSecond = Annotated[
    float,
    _within(MIN_PER_S, MAX_PER_S, format_per_s),
    BeforeValidator(parse_per_s),
    _shown_by(format_per_s),
]
BitsPerSecond = Annotated[float, _within(MIN_BPS, MAX_BPS, format_bps), *_BPS_FORM]
VideoBitsPerSecond = Annotated[float, _within(MIN_VIDEO_BPS, MAX_VIDEO_BPS, format_bps), *_BPS_FORM]
Share = Annotated[float, BeforeValidator(parse_share), _shown_by(format_share)]

"""Durations as people write them: "500ms", "15s", "1m30s", "10m", "6h", "30d"."""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import BeforeValidator, Field

_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_WHOLE: Final = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+")


def parse_duration_s(value: object) -> float:
    """Seconds of a number (already seconds) or a text such as "1m30s".

    Raises `ValueError` that shows the accepted form.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    text = str(value).strip().lower().replace(" ", "")
    try:
        return float(text)
    except ValueError:
        pass  # not a bare number: it must carry units
    if not _WHOLE.fullmatch(text):
        raise ValueError(f'{str(value)!r} is no duration; write it like "500ms", "15s" or "10m"')
    return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))


def format_duration(seconds: float) -> str:
    """The shortest such text, exact to the millisecond; zero is "0s"."""
    milliseconds = round(seconds * 1000)
    if milliseconds == 0:
        return "0s"
    for unit in ("d", "h", "m", "s"):
        size_ms = round(_SECONDS[unit] * 1000)
        if milliseconds % size_ms == 0:
            return f"{milliseconds // size_ms}{unit}"
    return f"{milliseconds}ms"


Seconds = Annotated[
    float, BeforeValidator(parse_duration_s), Field(ge=0, le=366 * 86400, allow_inf_nan=False)
]
"""A settings field in seconds that also accepts the texts above."""

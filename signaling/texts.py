"""Cleaning of what people type, before anybody else sees it."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from signaling.errors import Refusal

_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_STRIPPED: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # control characters, C0 and C1
    "\u200b\u2060\ufeff"  # zero width space, word joiner, byte order mark
    "\u200e\u200f\u061c"  # direction marks
    "\u202a-\u202e\u2066-\u2069]"  # direction embeddings, overrides and isolates
)
"""What makes a text look like another one. Joiners (U+200D) stay, emoji need them."""

_BLANK: Final = re.compile(r"[\s\u200c\u200d\u3164\u115f\u1160\uffa0\u2800\ufe0e\ufe0f]*")
"""Spaces, joiners, fillers and variation selectors: a text of nothing else shows nothing."""


def clean_text(text: str, field: str, max_chars: int) -> str:
    """One line of visible text: NFC, whitespace collapsed, control characters stripped.

    Raises `Refusal("bad_message")` for lone surrogates (they cannot be sent on), `too_large` when
    normalising made the text longer than `max_chars`. The result may be empty.
    """
    if has_surrogate(text):
        raise Refusal("bad_message", f"{field}: not a valid Unicode text.")
    # Whitespace first: new lines are control characters too. NFC last: stripping joins neighbours.
    spaced = " ".join(text.split())
    kept = _STRIPPED.sub("", spaced)
    cleaned = " ".join(unicodedata.normalize("NFC", kept).split())
    if len(cleaned) > max_chars:
        raise Refusal("too_large", f"{field}: more than {max_chars} characters.")
    return "" if is_blank(cleaned) else cleaned


def is_blank(text: str) -> bool:
    """True when nothing of the text can be seen."""
    return _BLANK.fullmatch(text) is not None


def has_control(text: str) -> bool:
    """True for C0 and C1 control characters, new lines included."""
    return _CONTROL.search(text) is not None


def has_surrogate(text: str) -> bool:
    """True when a half of a surrogate pair stands alone: such a str has no UTF-8."""
    return _SURROGATE.search(text) is not None

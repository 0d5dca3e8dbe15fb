"""A stamp at the end of a text that says when it was sent: ` ~t<base36 of Unix microseconds>~`.

Printable ASCII, one word: it survives any cleaning of texts, and looks the same in every encoding.
Sender and receiver share the wall clock of one machine.
"""

from __future__ import annotations

import re
from typing import Final

_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
STAMP: Final = re.compile(rb"~t([0-9a-z]{1,13})~")
"""13 digits of base 36 hold 64 bits. Group 1 are the digits."""
STAMP_CHARS: Final = 17
"""At most, with the space before it."""


def stamp(text: str, now_us: int) -> str:
    """The text with the stamp behind it. `now_us`: Unix time in microseconds, not negative."""
    digits = ""
    while True:
        now_us, digit = divmod(now_us, 36)
        digits = _DIGITS[digit] + digits
        if not now_us:
            return f"{text} ~t{digits}~"


def find_stamps(frame: bytes) -> list[int]:
    """Sending times (Unix microseconds) of all the stamps in there, in order."""
    return [int(digits, 36) for digits in STAMP.findall(frame)]

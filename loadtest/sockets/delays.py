"""How long messages of our room socket took, read from the stamps in their texts."""

from __future__ import annotations

import re
from typing import Final

from loadtest.targets.target import Encoding, Lane

_LANE_OF: Final[dict[bytes, Lane]] = {b"chat_said": "chat", b"question_asked": "question"}
"""An answer carries the text of its question, too, whose stamp is old by then."""
_WORDS: Final[dict[Encoding, re.Pattern[bytes]]] = {
    "json": re.compile(rb'"type":\s?"([a-z_]{1,31})"|~t([0-9a-z]{1,13})~'),
    "msgpack": re.compile(rb"\xa4type[\xa1-\xbf]([a-z_]{1,31})|~t([0-9a-z]{1,13})~"),
}
MAX_DELAY_S: Final = 600.0
"""What claims to be older, or to come from the future, was not stamped in this run."""


def delays_of(frame: bytes, encoding: Encoding, now_us: int) -> list[tuple[Lane, float]]:
    """Lane and seconds since its sending for each stamped chat message and new question.

    A stamp belongs to the message whose type stands before it. `now_us`: Unix time.
    """
    delays: list[tuple[Lane, float]] = []
    lane: Lane | None = None
    for kind, digits in _WORDS[encoding].findall(frame):
        if kind:
            lane = _LANE_OF.get(kind)
        elif lane is not None:
            delay_s = (now_us - int(digits, 36)) / 1e6
            if 0 <= delay_s <= MAX_DELAY_S:
                delays.append((lane, delay_s))
    return delays

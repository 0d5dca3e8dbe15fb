"""How long messages of our room socket took, read from the stamps in their texts."""

from __future__ import annotations

import re
from typing import Final

from loadtest.sockets.stamp import find_stamps
from loadtest.targets.target import Encoding, Lane

_LANE_OF: Final[dict[bytes, Lane]] = {
    b"chat_said": "chat",
    b"question_asked": "question",
    b"question_joined": "question",
}
"""An answer carries the text of its question, too, whose stamp is old by then."""
_WITH_TEXTS: Final = frozenset(
    {"chat_said", "question_asked", "question_joined", "question_answered", "welcome"}
)
_WORDS: Final[dict[Encoding, re.Pattern[bytes]]] = {
    "json": re.compile(rb'"type":\s?"([a-z_]{1,31})"|~t([0-9a-z]{1,13})~'),
    "msgpack": re.compile(rb"\xa4type[\xa1-\xbf]([a-z_]{1,31})|~t([0-9a-z]{1,13})~"),
}
MAX_DELAY_S: Final = 600.0
"""What claims to be older, or to come from the future, was not stamped in this run."""


def delays_of(
    frame: bytes, kinds: frozenset[str], encoding: Encoding, now_us: int
) -> list[tuple[Lane, float]]:
    """Lane and seconds since its sending for each stamped chat message and new question.

    `kinds` are the types of the frame's messages. `now_us`: Unix time.
    """
    with_texts = kinds & _WITH_TEXTS
    if not with_texts:
        return []
    stamps: list[tuple[Lane, int]]
    if len(with_texts) == 1 and "chat_said" in with_texts:
        stamps = [("chat", sent_us) for sent_us in find_stamps(frame)]
    else:
        stamps = _stamps_by_lane(frame, encoding)
    delays = ((lane, (now_us - sent_us) / 1e6) for lane, sent_us in stamps)
    return [(lane, delay_s) for lane, delay_s in delays if 0 <= delay_s <= MAX_DELAY_S]


def _stamps_by_lane(frame: bytes, encoding: Encoding) -> list[tuple[Lane, int]]:
    """A stamp belongs to the message whose type stands before it."""
    stamps: list[tuple[Lane, int]] = []
    lane: Lane | None = None
    for kind, digits in _WORDS[encoding].findall(frame):
        if kind:
            lane = _LANE_OF.get(kind)
        elif lane is not None:
            stamps.append((lane, int(digits, 36)))
    return stamps

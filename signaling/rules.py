"""The settings of one room that its folds obey; they travel inside the room's state."""

from __future__ import annotations

from typing import Final

import msgspec

MAX_REQUESTS: Final = 100
"""People who may wait for the mic at once; more than a host can ever look through."""
MAX_OPEN_QUESTIONS: Final = 1000
"""Open questions of a room. The state is written whole, so it must stay well below a megabyte."""
MAX_OPEN_DETECTED: Final = 300
"""From so many open questions on chat adds none: the rest of the queue is for who presses ask."""
MAX_ASKERS: Final = 1000
"""People folded into one card; the next one founds another card with the same text."""
MAX_OPEN_ASKERS: Final = 5000
"""People folded into all open cards of a room: some 60 bytes each in the state."""
MAX_OPEN_QUESTIONS_EACH: Final = 20
"""Open questions of one person: nobody fills the queue alone."""
KEPT_ANSWERS: Final = 50
"""Latest answered questions shown to newcomers; older ones live in log and archive."""


class RoomRules(msgspec.Struct, frozen=True):
    """Seats count the host's; durations are milliseconds."""

    title: str = ""
    """Of a show that was started without one."""
    seats_total: int = 4
    invite_timeout_ms: int = 30_000
    seat_grace_ms: int = 15_000
    host_grace_ms: int = 60_000
    question_ttl_ms: int = 7 * 24 * 3600 * 1000
    """An open question expires so long after it was asked."""
    slow_mode_s: int = 0
    """Seconds between two chat messages of one person, until host or staff set another."""

"""Which holes of one stream to ask for, and when to give one up (RFC 4585 §6.2.1). A core."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from loadtest.rtc.stream_count import WINDOW, StreamCount

REORDER_WAIT_S: Final = 0.010
"""A late packet mostly comes within that time."""
SHORTEST_RETRY_S: Final = 0.050
MOST_TRIES: Final = 10
"""As libwebrtc's NackRequester has it."""
NUMBERS_AT_MOST: Final = 250
"""In one packet: 4 bytes each at worst, which fits any path."""


@dataclass(slots=True)
class _Hole:
    next_at: float
    tries: int = 0


class NackList:
    """One stream's. Compares what is missing now with what it has asked for."""

    def __init__(self) -> None:
        self._holes: dict[int, _Hole] = {}

    def take_due(self, stream: StreamCount, now: float, rtt_s: float) -> tuple[list[int], bool]:
        """(Extended numbers to ask for now, ascending; whether a hole was given up just now)."""
        missing = stream.missing
        if not missing and not self._holes:
            return [], False
        given_up = self._forget(stream)
        for number in missing:
            if number not in self._holes:
                self._holes[number] = _Hole(now + REORDER_WAIT_S)
        due: list[int] = []
        for number, hole in self._holes.items():
            if hole.next_at > now:
                continue
            if hole.tries == MOST_TRIES:
                hole.next_at = math.inf
                given_up = True
            elif len(due) < NUMBERS_AT_MOST:
                hole.tries += 1
                hole.next_at = now + max(rtt_s, SHORTEST_RETRY_S)
                missing[number] += 1
                due.append(number)
        return sorted(due), given_up

    def _forget(self, stream: StreamCount) -> bool:
        """Drop the holes that were filled; those that are too old by now were given up."""
        gone = [number for number in self._holes if number not in stream.missing]
        oldest = stream.highest_seq - WINDOW
        given_up = False
        for number in gone:
            hole = self._holes.pop(number)
            given_up = given_up or (number < oldest and hole.next_at < math.inf)
        return given_up

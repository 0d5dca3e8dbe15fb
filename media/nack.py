"""Upstream loss: which packets of a source to ask for again, and when (RFC 4585 §6.2.1).

A hole is left alone for `reorder_s` (it may just be late), then asked for every round trip or so
until it arrives, is asked for `max_tries` times, or is too old to be of use.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

NACK_RETRY: Final = "nack_retry"


@dataclass(frozen=True, slots=True)
class NackLimits:
    """Times in seconds. `max_holes`: a wider gap is no loss but a new beginning."""

    reorder_s: float = 0.010
    min_interval_s: float = 0.025
    max_tries: int = 8
    max_age_s: float = 1.0
    max_holes: int = 400


class _Hole:
    __slots__ = ("asked_at", "due", "since", "tries")

    def __init__(self, since: float, due: float) -> None:
        self.since = since
        self.due = due
        self.asked_at = 0.0
        self.tries = 0


class NackTracker:
    """A machine: `receive` every packet, then `take_due(now)` by `next_deadline()`.

    Works on extended sequence numbers only, so nothing here wraps. `rtt_s` is learned from
    answers to first requests (starts at 0.1 s).
    """

    __slots__ = ("_highest", "_holes", "_limits", "given_up", "recovered", "requested", "rtt_s")

    def __init__(self, limits: NackLimits | None = None) -> None:
        self._limits = limits or NackLimits()
        self._highest = -1
        self._holes: dict[int, _Hole] = {}
        self.rtt_s = 0.1
        self.requested = 0
        self.recovered = 0
        self.given_up = 0

    def __len__(self) -> int:
        return len(self._holes)

    def receive(self, ext_seq: int, now: float) -> bool:
        """Note a packet; True when the gap before it is too wide to mend (ask for a key frame)."""
        highest = self._highest
        if highest < 0 or ext_seq == highest + 1:
            self._highest = ext_seq
            return False
        if ext_seq <= highest:
            self._fill(ext_seq, now)
            return False
        self._highest = ext_seq
        limits = self._limits
        if ext_seq - highest - 1 + len(self._holes) > limits.max_holes:
            self.given_up += ext_seq - highest - 1 + len(self._holes)
            self._holes.clear()
            return True
        for missing in range(highest + 1, ext_seq):
            self._holes[missing] = _Hole(now, now + limits.reorder_s)
        return False

    def reset(self) -> None:
        """The sequence begins anew: forget all holes."""
        self._highest = -1
        self._holes.clear()

    def next_deadline(self) -> float | None:
        """When `take_due` has something to do (reason: `NACK_RETRY`)."""
        return min((hole.due for hole in self._holes.values()), default=None)

    def take_due(self, now: float) -> list[int]:
        """`ext_seq` to ask for now, ascending; gives up those asked too often or too old."""
        if not self._holes:
            return []
        limits = self._limits
        due: list[int] = []
        lost: list[int] = []
        for ext_seq, hole in self._holes.items():
            if hole.due > now:
                continue
            if hole.tries >= limits.max_tries or now - hole.since >= limits.max_age_s:
                lost.append(ext_seq)
                continue
            hole.tries += 1
            hole.asked_at = now
            hole.due = now + max(limits.min_interval_s, self.rtt_s * 1.25)
            due.append(ext_seq)
        for ext_seq in lost:
            del self._holes[ext_seq]
        self.given_up += len(lost)
        self.requested += len(due)
        due.sort()
        return due

    def _fill(self, ext_seq: int, now: float) -> None:
        hole = self._holes.pop(ext_seq, None)
        if hole is None:
            return
        if hole.tries:
            self.recovered += 1
        if hole.tries == 1:
            # Karn's rule: an answer after a second request does not say which one it answers.
            self.rtt_s += 0.125 * (now - hole.asked_at - self.rtt_s)

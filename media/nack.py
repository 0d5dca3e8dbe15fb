"""Upstream loss: which packets of a source to ask for again, and when (RFC 4585 §6.2.1).

A hole is left alone for `reorder_s` (it may just be late), then asked for every round trip or so
until it arrives, is asked for `max_tries` times, or is too old to be of use.

The round trip is that of the handshake (`learn_rtt`) until answers tell: those to a first request
(Karn's rule), and second copies and answers to what was given up, measured from the last request.
That is too little, but more than the spacing, and so finds a round trip that grew past it, which
first requests never would: every answer would come after a second one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

NACK_RETRY: Final = "nack_retry"


@dataclass(frozen=True, slots=True)
class NackLimits:
    """Times in seconds. `max_holes`: a wider gap is no loss but a new beginning. `max_tries` 0
    never asks."""

    reorder_s: float = 0.010
    min_interval_s: float = 0.025
    max_tries: int = 8
    max_age_s: float = 1.0
    max_holes: int = 400


NEVER_ASK: Final = NackLimits(max_tries=0)
"""For a track without rtcp-fb nack: holes are only told apart from new beginnings."""
_MAX_RTT_S: Final = 2.0
_MAX_AMBIGUOUS: Final = 64
"""Packets, asked for repeatedly, whose next copy is waited for."""


class _Hole:
    __slots__ = ("asked_at", "due", "since", "tries")

    def __init__(self, since: float, due: float) -> None:
        self.since = since
        self.due = due
        self.asked_at = 0.0
        self.tries = 0


class NackTracker:
    """A machine: `receive` every packet, then `take_due(now)` by `next_deadline()`.

    Works on extended sequence numbers only, so nothing here wraps. `rtt_s` is a guess until
    `has_rtt`.
    """

    __slots__ = (
        "_ambiguous", "_highest", "_holes", "_limits", "given_up", "has_rtt", "recovered",
        "requested", "rtt_s",
    )  # fmt: skip

    def __init__(self, limits: NackLimits | None = None) -> None:
        self._limits = limits or NackLimits()
        self._highest = -1
        self._holes: dict[int, _Hole] = {}
        self._ambiguous: dict[int, float] = {}
        self.rtt_s = 0.1
        self.has_rtt = False
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

    def receive_again(self, ext_seq: int, now: float) -> None:
        """Note another copy of a packet that came before."""
        asked_at = self._ambiguous.pop(ext_seq, None)
        if asked_at is not None:
            self._sample(now - asked_at)

    def learn_rtt(self, rtt_s: float) -> None:
        """A round trip that was measured elsewhere; without effect once answers told it."""
        if not self.has_rtt:
            self.rtt_s = min(rtt_s, _MAX_RTT_S)
            self.has_rtt = True

    def reset(self) -> None:
        """The sequence begins anew: forget all holes."""
        self._highest = -1
        self._holes.clear()
        self._ambiguous.clear()

    def next_deadline(self) -> float | None:
        """When `take_due` has something to do (reason: `NACK_RETRY`)."""
        if not self._holes:
            return None  # asked after every batch
        return min(hole.due for hole in self._holes.values())

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
            hole = self._holes.pop(ext_seq)
            if hole.tries:
                self._await_again(ext_seq, hole.asked_at)
        self.given_up += len(lost)
        self.requested += len(due)
        due.sort()
        return due

    def _fill(self, ext_seq: int, now: float) -> None:
        hole = self._holes.pop(ext_seq, None)
        if hole is None:
            if ext_seq in self._ambiguous:
                self.recovered += 1
                self.receive_again(ext_seq, now)
            return
        if hole.tries:
            self.recovered += 1
        if hole.tries == 1:
            self._sample(now - hole.asked_at)
        elif hole.tries:
            # Karn's rule: an answer after a second request does not say which one it answers.
            self._await_again(ext_seq, hole.asked_at)

    def _await_again(self, ext_seq: int, asked_at: float) -> None:
        self._ambiguous[ext_seq] = asked_at
        if len(self._ambiguous) > _MAX_AMBIGUOUS:
            del self._ambiguous[next(iter(self._ambiguous))]

    def _sample(self, rtt_s: float) -> None:
        if self.has_rtt:
            self.rtt_s += 0.125 * (min(rtt_s, _MAX_RTT_S) - self.rtt_s)
        else:
            self.rtt_s = min(rtt_s, _MAX_RTT_S)
            self.has_rtt = True

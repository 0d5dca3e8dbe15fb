"""Key frame requests of all viewers of one source, merged into few PLIs (RFC 4585 §6.3.1).

    quiet     --request-->  PLI at once
    asked     --request-->  merged: the key frame on its way serves everybody
    asked     --1 s, none came-->  ignored += 1, PLI again
    answered  --request within 1 s of the PLI-->  waits for the rest of that second

A source that ignored two PLIs in a row (OBS and FFmpeg encode to a fixed key frame interval)
`ignores_pli`: newcomers then get its cached group of pictures. Two prompt answers clear that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

KEYFRAME_RETRY: Final = "keyframe_retry"


@dataclass(frozen=True, slots=True)
class KeyframeLimits:
    """`interval_s`: at most one PLI in this time, and how long an answer may take."""

    interval_s: float = 1.0
    ignored_limit: int = 2
    answered_limit: int = 2


class KeyframeRequests:
    """A machine: `request`, `keyframe_started`; then `take_due(now)` by `next_deadline()`."""

    __slots__ = (
        "_answered",
        "_asked_at",
        "_ignored",
        "_is_asked",
        "_is_wanted",
        "_limits",
        "ignores_pli",
        "sent",
    )

    def __init__(self, limits: KeyframeLimits | None = None) -> None:
        self._limits = limits or KeyframeLimits()
        self._is_wanted = False
        self._is_asked = False
        self._asked_at: float | None = None
        self._ignored = 0
        self._answered = 0
        self.ignores_pli = False
        self.sent = 0

    @property
    def is_wanted(self) -> bool:
        """Whether a request is open; further ones change nothing."""
        return self._is_wanted

    def request(self) -> None:
        """Somebody needs a key frame; `take_due` says when to ask for it."""
        self._is_wanted = True

    def keyframe_started(self, now: float) -> None:
        """A key frame began to arrive: everybody who waited has it."""
        self._is_wanted = False
        if not self._is_asked:
            return
        self._is_asked = False
        if self._asked_at is not None and now - self._asked_at <= self._limits.interval_s:
            self._ignored = 0
            self._answered += 1
            if self._answered >= self._limits.answered_limit:
                self.ignores_pli = False

    def next_deadline(self) -> float | None:
        """When `take_due` has something to do (reason: `KEYFRAME_RETRY`)."""
        if not self._is_wanted:
            return None
        if self._asked_at is None:
            return float("-inf")
        return self._asked_at + self._limits.interval_s

    def take_due(self, now: float) -> bool:
        """Whether to send a PLI now."""
        deadline = self.next_deadline()
        if deadline is None or now < deadline:
            return False
        if self._is_asked:
            self._answered = 0
            self._ignored += 1
            if self._ignored >= self._limits.ignored_limit:
                self.ignores_pli = True
        self._is_asked = True
        self._asked_at = now
        self.sent += 1
        return True

"""A token bucket: a steady rate with room for a burst."""

from __future__ import annotations


class TokenBucket:
    """Full at the start; `take` never waits."""

    __slots__ = ("_at", "_burst", "_per_s", "_tokens")

    def __init__(self, per_s: float, burst: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._tokens = burst
        self._at: float | None = None

    def limit(self, per_s: float, burst: float) -> None:
        """Another rate from now on."""
        self._per_s = per_s
        self._burst = burst
        self._tokens = min(self._tokens, burst)

    def take(self, now: float) -> bool:
        """Take one token if there is one."""
        if self._at is not None and now > self._at:
            self._tokens = min(self._burst, self._tokens + (now - self._at) * self._per_s)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

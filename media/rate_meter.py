"""Bits per second of a byte counter, read now and then instead of once a packet."""

from __future__ import annotations

from typing import Final

WINDOW_S: Final = 1.0
"""Long enough for a key frame not to look like another rate, short enough to follow one."""


class RateMeter:
    """`sample` a counter that only grows at any pace; `bps` is the mean of the last two windows.

    0 until the first window is over.
    """

    __slots__ = ("_before", "_bytes", "_since", "bps")

    def __init__(self) -> None:
        self._since: float | None = None
        self._bytes = 0
        self._before: float | None = None
        self.bps = 0

    def sample(self, total_bytes: int, now: float) -> None:
        """`total_bytes` is the counter at `now`."""
        if self._since is None:
            self._since, self._bytes = now, total_bytes
            return
        window_s = now - self._since
        if window_s < WINDOW_S:
            return
        rate = (total_bytes - self._bytes) * 8 / window_s
        self._since, self._bytes = now, total_bytes
        self.bps = round(rate if self._before is None else (rate + self._before) / 2)
        self._before = rate

    def reset(self) -> None:
        """What was counted has stopped: 0, and the next sample begins anew."""
        self._since = self._before = None
        self.bps = 0

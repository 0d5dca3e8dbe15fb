"""Looking at every peer about once a second, a few at a time.

Ten thousand peers looked at in one go would hold up packets for a tenth of a second or more; a
timer for each would cost more than the work. So they go by in portions of a twentieth.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from media.peer import Peer

ROUND_S: Final = 1.0
PORTIONS: Final = 20
PORTION_S: Final = ROUND_S / PORTIONS


class Rotation:
    """A machine: `take` by `next_deadline()`. A round begins when the last one is over and
    `ROUND_S` old."""

    __slots__ = ("_due", "_left", "_portion", "_round_due")

    def __init__(self, now: float) -> None:
        self._left: list[Peer] = []
        self._portion = 1
        self._due = self._round_due = now + ROUND_S

    def next_deadline(self) -> float:
        """When `take` has somebody (or the next round begins)."""
        return self._due

    def take(self, peers: Collection[Peer], now: float) -> list[Peer]:
        """Whom to look at now; `peers` is read when a round begins."""
        if now < self._due:
            return []
        if not self._left and now >= self._round_due:
            self._round_due = now + ROUND_S
            self._left = list(peers)
            self._portion = max(1, -(-len(self._left) // PORTIONS))
        taken = self._left[-self._portion :]
        del self._left[-self._portion :]
        self._due = now + PORTION_S if self._left else self._round_due
        return taken

    def clear(self) -> None:
        """There are no peers any more."""
        self._left.clear()

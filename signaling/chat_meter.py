"""How much of a room's chat is shown: "100 of 2,300 messages a second"."""

from __future__ import annotations

from typing import Final

FIRST_S: Final = 1.0
"""A room is read for the first time within a second of its first socket."""


class ChatMeter:
    """Rates between two readings, from counters that only grow."""

    def __init__(self) -> None:
        self.delivered = 0
        """Messages that came out of the room's chat stream."""
        self._refused = 0
        self._unshown = 0
        self._counted = 0
        self._at: float | None = None

    def read(self, refused: int, unshown: int, now: float) -> tuple[int, int]:
        """Shown and received messages a second since the last reading; the first covers a second.

        `refused`: not let in so far; `unshown`: of those delivered, shed on the way out.
        """
        delivered = self.delivered - self._counted
        elapsed_s = FIRST_S if self._at is None else now - self._at
        more_refused, more_unshown = refused - self._refused, unshown - self._unshown
        self._counted, self._at = self.delivered, now
        self._refused, self._unshown = refused, unshown
        if elapsed_s <= 0:
            return 0, 0
        shown = round((delivered - more_unshown) / elapsed_s)
        return shown, max(shown, round((delivered + more_refused) / elapsed_s))

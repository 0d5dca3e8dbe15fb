"""What all room sockets of one tester have in common."""

from __future__ import annotations

from typing import Final

from loadtest.sockets.tally import Tallies
from loadtest.targets.target import Encoding

MAX_DECISIONS: Final = 1000


class Decisions:
    """When which person was last let onto the stage, by subject: the start of the way that the
    `seat_taken` goes to everybody. Monotonic seconds. Keeps the last `MAX_DECISIONS`."""

    def __init__(self) -> None:
        self._sent: dict[str, float] = {}

    def sent(self, subject: str, now: float) -> None:
        """Somebody who manages the stage sends `accept_request` for `subject`."""
        self._sent.pop(subject, None)
        self._sent[subject] = now
        if len(self._sent) > MAX_DECISIONS:
            del self._sent[next(iter(self._sent))]

    def delay_s(self, subject: str, now: float) -> float | None:
        """Since the decision about `subject`; None when it was not made here."""
        sent = self._sent.get(subject)
        return None if sent is None else now - sent


class Shared:
    """One for each target. With it a broadcast is counted once for all its sockets, and sampled
    sockets know the delay of the control lane."""

    def __init__(self) -> None:
        self.tallies: dict[Encoding, Tallies] = {
            "json": Tallies("json"),
            "msgpack": Tallies("msgpack"),
        }
        self.decisions = Decisions()

"""The totals of several media workers as one; workers die and come back, counters only grow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

PRESENT: Final = frozenset(
    {
        "peers", "publishers", "connecting", "addresses", "ufrags", "tracks", "tcp_open",
        "exports", "imports", "udp_receive_buffer_bytes", "udp_send_buffer_bytes",
        "viewers_limited",
    }
)  # fmt: skip
"""Names of `Stats.totals` that are sizes of now, not counters; a dead worker has none of them."""


class Totals:
    """Feed what each worker said last."""

    def __init__(self) -> None:
        self._lost: Counter[str] = Counter()
        self._latest: dict[int, Mapping[str, int]] = {}

    def take(self, worker: int, totals: Mapping[str, int]) -> None:
        self._latest[worker] = totals

    def lose(self, worker: int) -> None:
        """The worker is gone: what it counted stays counted, what it had is gone."""
        for name, count in self._latest.pop(worker, {}).items():
            if name not in PRESENT:
                self._lost[name] += count

    def sums(self) -> dict[str, int]:
        """A new dictionary."""
        sums = Counter(self._lost)
        for totals in self._latest.values():
            sums.update(totals)
        return dict(sums)

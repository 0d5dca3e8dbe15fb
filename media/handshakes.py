"""A few steps of DTLS handshakes in each turn, so that a crowd at the door holds up nobody inside.

A handshake takes some 1.5 ms in all, nearly all of it for public keys, in two or three steps. A
hundred people who come in the same second may well stand in one batch of the socket: 0.1 s in which
no packet would be forwarded. So a turn takes `TURN_STEPS`, and what is more waits here, in order.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from media.ice import Address

TURN_STEPS: Final = 4
"""Datagrams in one turn, some 4 ms: below the 20 ms between two audio packets."""
MAX_WAITING: Final = 2_000
"""Datagrams; what comes then is dropped, and repeated by its sender (RFC 6347 §4.2.4)."""

Datagram = tuple[bytes, Address]


class Handshakes:
    """A queue. `begin_turn`, then ask `may_pass` for each datagram, `put` those that may not;
    `take` begins a turn, too."""

    __slots__ = ("_steps_left", "_waiting")

    def __init__(self) -> None:
        self._steps_left = TURN_STEPS
        self._waiting: deque[Datagram] = deque()

    @property
    def is_behind(self) -> bool:
        return bool(self._waiting)

    def begin_turn(self) -> None:
        self._steps_left = TURN_STEPS

    def may_pass(self) -> bool:
        """Whether one more step may be taken at once; what waits is not overtaken."""
        if self._waiting or not self._steps_left:
            return False
        self._steps_left -= 1
        return True

    def put(self, datagram: Datagram) -> bool:
        """Let it wait; False when it must be dropped."""
        if len(self._waiting) >= MAX_WAITING:
            return False
        self._waiting.append(datagram)
        return True

    def take(self) -> list[Datagram]:
        """The steps of one turn, the oldest first."""
        count = min(TURN_STEPS, len(self._waiting))
        return [self._waiting.popleft() for _ in range(count)]

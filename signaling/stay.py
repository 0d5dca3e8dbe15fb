"""What outlives a lost socket for the time of grace: the visit and the transports."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from signaling.ids import ConnId, Subject
from signaling.media_owner import MediaOwner
from signaling.visits import Visit


class Stay(NamedTuple):
    """`visit` is None when the client said goodbye: only its transports wait for it."""

    visit: Visit | None
    owner: MediaOwner

    @property
    def subject(self) -> Subject:
        return self.owner.who.subject


class Lost(NamedTuple):
    """A stay without a socket since `lost_ms`."""

    stay: Stay
    lost_ms: int
    reason: str


class LostSockets:
    """Stays by connection id. `on_gone` is called when a grace is over."""

    def __init__(self, grace_s: float, on_gone: Callable[[Lost], None]) -> None:
        self._grace_s = grace_s
        self._on_gone = on_gone
        self._kept: dict[ConnId, tuple[Lost, asyncio.TimerHandle]] = {}
        self._subjects: Counter[Subject] = Counter()

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, conn: ConnId, lost: Lost) -> None:
        timer = asyncio.get_running_loop().call_later(self._grace_s, self._expire, conn)
        self._kept[conn] = (lost, timer)
        self._subjects[lost.stay.subject] += 1

    def take(self, conn: ConnId, subject: Subject) -> Lost | None:
        """The stay of that connection, if it was this person's: ids are told to their owner only,
        but what is not checked will be tried."""
        kept = self._kept.get(conn)
        if kept is None or kept[0].stay.subject != subject:
            return None
        kept[1].cancel()
        return self._forget(conn)

    def has(self, subject: Subject) -> bool:
        return subject in self._subjects

    def take_all(self) -> list[Lost]:
        """Everything, at once: the node stops."""
        taken = []
        for lost, timer in self._kept.values():
            timer.cancel()
            taken.append(lost)
        self._kept.clear()
        self._subjects.clear()
        return taken

    def _expire(self, conn: ConnId) -> None:
        self._on_gone(self._forget(conn))

    def _forget(self, conn: ConnId) -> Lost:
        lost, _ = self._kept.pop(conn)
        subject = lost.stay.subject
        self._subjects[subject] -= 1
        if not self._subjects[subject]:
            del self._subjects[subject]
        return lost

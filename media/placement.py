"""Which media worker serves whom: rooms whole on one worker, large ones over several. A core.

A group (of people who see each other: a room) has a home: its publishers and its first viewers are
there, so that most rooms never cross from one process to another. Only when more than a share of
its viewers are at home, or home is far busier than others, do further viewers go to where there is
room; every source they see then crosses once for the whole worker. Nobody is ever moved: viewers
come and go often enough.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from media.seam import PeerId

SHARE: Final = 100
"""Peers of one group at its home before others may help: about a quarter of what a core carries at
1.2 Mbit/s. Crossing costs what one or two viewers cost, so a smaller share would buy nothing."""
OPENING_COST: Final = 25
"""A worker that has nobody of the group yet must be this many peers less busy: the first viewer
there makes the sources cross."""
BUSIER: Final = 2 * SHARE
"""Home is left by a small group, too, when it has this many peers more than the least busy."""


class Placement:
    """Peers by worker (a number) and group. All answers are None while no worker is up."""

    def __init__(self, share: int = SHARE) -> None:
        self._share = share
        self._peers: dict[int, dict[PeerId, str]] = {}
        self._members: dict[int, Counter[str]] = {}
        self._worker_of: dict[PeerId, int] = {}
        self._homes: dict[str, int] = {}

    @property
    def workers(self) -> tuple[int, ...]:
        """Those that are up."""
        return tuple(sorted(self._peers))

    def add_worker(self, worker: int) -> None:
        """It is up, with nobody on it."""
        assert worker not in self._peers, "it is up already"
        self._peers[worker] = {}
        self._members[worker] = Counter()

    def remove_worker(self, worker: int) -> tuple[PeerId, ...]:
        """It is gone, and everybody on it; returns who that was."""
        lost = tuple(self._peers.get(worker, ()))
        for peer_id in lost:
            self.release(peer_id)
        self._peers.pop(worker, None)
        self._members.pop(worker, None)
        return lost

    def worker_of(self, peer_id: PeerId) -> int | None:
        return self._worker_of.get(peer_id)

    def load(self, worker: int) -> int:
        """Peers on a worker."""
        return len(self._peers[worker])

    def place_publisher(self, peer_id: PeerId, group: str) -> int | None:
        """At home: everybody on a stage is seen by the same viewers."""
        return self._put(peer_id, group, self._home(group))

    def place_viewer(self, peer_id: PeerId, group: str) -> int | None:
        """At home, or where there is more room."""
        home = self._home(group)
        if home is None or not self._is_full(home, group):
            return self._put(peer_id, group, home)
        return self._put(peer_id, group, min(self._peers, key=lambda each: self._cost(each, group)))

    def release(self, peer_id: PeerId) -> None:
        """The peer is gone, or never came to be."""
        worker = self._worker_of.pop(peer_id, None)
        if worker is None:
            return
        group = self._peers[worker].pop(peer_id)
        members = self._members[worker]
        members[group] -= 1
        if not members[group]:
            del members[group]
            if self._homes.get(group) == worker:
                del self._homes[group]

    def _put(self, peer_id: PeerId, group: str, worker: int | None) -> int | None:
        assert peer_id not in self._worker_of, "a peer is placed once"
        if worker is not None:
            self._worker_of[peer_id] = worker
            self._peers[worker][peer_id] = group
            self._members[worker][group] += 1
        return worker

    def _home(self, group: str) -> int | None:
        """Where the group lives; chosen anew when it has no home (any more)."""
        home = self._homes.get(group)
        if home is None and self._peers:
            # What is left of a group whose home died stays where it is, and becomes the home.
            home = min(
                self._peers, key=lambda each: (-self._members[each][group], self._rank(each))
            )
            self._homes[group] = home
        return home

    def _is_full(self, home: int, group: str) -> bool:
        least = min(map(len, self._peers.values()))
        return self._members[home][group] >= self._share or self.load(home) - least >= BUSIER

    def _rank(self, worker: int) -> tuple[int, int]:
        return self.load(worker), worker

    def _cost(self, worker: int, group: str) -> tuple[int, int]:
        opening = 0 if self._members[worker][group] else OPENING_COST
        return self.load(worker) + opening, worker

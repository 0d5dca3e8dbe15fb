"""One direction of a bad link, as a machine: packets go in, come out late, or never."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass
from typing import Generic, TypeVar

from loadtest.network.conditions import Conditions
from loadtest.network.loss import LossModel
from loadtest.network.wander import Wander

Packet = TypeVar("Packet")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImpairmentCounts:
    """Packets since the start. What went in and was doubled is lost, dropped, out or under way."""

    packets_in: int = 0
    lost: int = 0
    """At random."""
    queue_dropped: int = 0
    """Because the queue of the rate was full."""
    duplicated: int = 0
    """Copies that were made."""
    reordered: int = 0
    """Came out after one that had gone in later."""
    packets_out: int = 0

    @property
    def under_way(self) -> int:
        return self.packets_in + self.duplicated - self.lost - self.queue_dropped - self.packets_out


class Impairment(Generic[Packet]):
    """Loses, doubles, queues and delays packets as `Conditions` say.

    `take` what enters; at `next_deadline()` collect `due`. A packet passes loss, then duplication,
    then the queue of the rate, then delay and jitter (a reordered one skips these). Times are
    monotonic seconds of the caller's and never go back. The same seed, packets and times give the
    same result.
    """

    def __init__(self, conditions: Conditions, rng: random.Random) -> None:
        self._rng = rng
        self._set(conditions)
        self._free_at = 0.0
        """When the last bit of all that is queued is sent."""
        self._under_way: list[tuple[float, int, Packet]] = []
        self._number = 0
        self._newest_out = -1
        self._in = self._lost = self._queue_dropped = self._duplicated = 0
        self._reordered = self._out = 0

    def _set(self, conditions: Conditions) -> None:
        self.conditions = conditions
        self._loss = LossModel(conditions.loss, conditions.burst, self._rng)
        self._rate_bps = conditions.rate_bps
        self._queue_s = conditions.queue_ms / 1000
        self._delay_s = conditions.delay_ms / 1000
        self._wander = Wander(conditions.jitter_ms / 1000, self._rng)

    def change(self, conditions: Conditions, now: float) -> None:
        """Other conditions for what enters from now on; what is under way arrives as it was to.
        With another rate nothing waits for what the old one held."""
        if conditions.rate_bps != self._rate_bps:
            self._free_at = min(self._free_at, now)
        self._set(conditions)

    def take(self, packet: Packet, length_bytes: int, now: float) -> None:  # hot path
        """A packet enters; `length_bytes` is what it costs of the rate."""
        self._in += 1
        if self._loss.take_lost():
            self._lost += 1
            return
        self._queue(packet, length_bytes, now)
        if self.conditions.duplicate and self._rng.random() < self.conditions.duplicate:
            self._duplicated += 1
            self._queue(packet, length_bytes, now)

    def _queue(self, packet: Packet, length_bytes: int, now: float) -> None:
        sent_at = now
        if self._rate_bps is not None:
            starts_at = max(now, self._free_at)
            if starts_at - now > self._queue_s:
                self._queue_dropped += 1
                return
            sent_at = self._free_at = starts_at + length_bytes * 8 / self._rate_bps
        heapq.heappush(self._under_way, (self._take_arrival(sent_at), self._number, packet))
        self._number += 1

    def _take_arrival(self, sent_at: float) -> float:
        if self.conditions.reorder and self._rng.random() < self.conditions.reorder:
            return sent_at
        return sent_at + self._delay_s + self._wander.take_offset_s(sent_at)

    def due(self, now: float) -> list[Packet]:  # hot path
        """What has arrived by now, in the order of arrival."""
        under_way = self._under_way
        arrived: list[Packet] = []
        while under_way and under_way[0][0] <= now:
            _, number, packet = heapq.heappop(under_way)
            if number < self._newest_out:
                self._reordered += 1
            else:
                self._newest_out = number
            arrived.append(packet)
        self._out += len(arrived)
        return arrived

    def next_deadline(self) -> float | None:
        """When the next packet arrives; None while nothing is under way."""
        return self._under_way[0][0] if self._under_way else None

    def counts(self) -> ImpairmentCounts:
        return ImpairmentCounts(
            packets_in=self._in,
            lost=self._lost,
            queue_dropped=self._queue_dropped,
            duplicated=self._duplicated,
            reordered=self._reordered,
            packets_out=self._out,
        )

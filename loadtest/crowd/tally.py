"""What happened in a run, kept small: counts by kind and lane, samples, complaints. A core.

It is told of events as they come and asked for a second's interval and, at the end, for totals.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from loadtest.crowd.sums import MediaSums, MessageSums, Sums
from loadtest.report.model import (
    Complaint,
    Feedback,
    Interval,
    Joined,
    LaneTotals,
    Lost,
    Totals,
)
from loadtest.report.percentiles import Samples, percentiles
from loadtest.targets.target import Lane

Kind: TypeAlias = Literal["publish", "watch", "socket", "mic"]
KINDS: Final[tuple[Kind, ...]] = ("publish", "watch", "socket", "mic")
LANES: Final[tuple[Lane, ...]] = ("control", "question", "commerce", "chat", "ambient")
SAMPLES_KEPT: Final = 20_000
COMPLAINTS_KEPT: Final = 200
"""Different texts; what comes after is counted under one."""
_OTHERS: Final = "others"


@dataclass(slots=True)
class _Joining:
    tried: int = 0
    succeeded: int = 0
    ms: Samples = field(default_factory=lambda: Samples(SAMPLES_KEPT, random.Random(0)))


@dataclass(slots=True)
class _Talk:
    sent: int = 0
    refused: int = 0
    expected: int = 0
    delay_ms: Samples = field(default_factory=lambda: Samples(SAMPLES_KEPT, random.Random(0)))


@dataclass(frozen=True, slots=True)
class Present:
    """Who is in at this moment."""

    publishers: int
    viewers: int
    sockets: int


@dataclass(frozen=True, slots=True)
class Usage:
    """What server and tester used in an interval; None: the server is out of sight."""

    server_cpu_cores: float | None
    server_memory_bytes: int | None
    tester_cpu_cores: float
    tester_lag_ms: float


class Tally:
    """One run's. Delays in seconds come in, milliseconds go out."""

    def __init__(self) -> None:
        self._joining: dict[Kind, _Joining] = {kind: _Joining() for kind in KINDS}
        self._talk: dict[Lane, _Talk] = {lane: _Talk() for lane in LANES}
        self._complaints: Counter[str] = Counter()
        self._latency_ms = Samples(SAMPLES_KEPT, random.Random(0))
        self._is_measuring = False
        self._is_managed = False
        self.questions_seen = 0
        self.key_frames_asked = 0
        """PLI and FIR that reached publishers; those of peers that left included."""
        self._new_latency_ms: list[float] = []
        self._new_delay_ms: dict[Lane, list[float]] = {}

    # --- events ----------------------------------------------------------------------------

    def try_to(self, kind: Kind) -> None:
        self._joining[kind].tried += 1

    def succeed(self, kind: Kind, seconds: float) -> None:
        self._joining[kind].succeeded += 1
        self._joining[kind].ms.add(seconds * 1000)

    def complain(self, text: str, count: int = 1) -> None:
        """`text` names no person, so that equal complaints add up."""
        if text not in self._complaints and len(self._complaints) >= COMPLAINTS_KEPT:
            text = _OTHERS
        self._complaints[text] += count

    def see_latency(self, seconds: float) -> None:
        self._new_latency_ms.append(seconds * 1000)
        if self._is_measuring:
            self._latency_ms.add(seconds * 1000)

    def see_message(self, lane: Lane, seconds: float) -> None:
        self._new_delay_ms.setdefault(lane, []).append(seconds * 1000)
        self._talk[lane].delay_ms.add(seconds * 1000)

    def see_question(self, seconds: float) -> None:
        """A question came to who manages the room."""
        self.questions_seen += 1
        self.see_message("question", seconds)

    def send(self, lane: Lane, expected: int = 0) -> None:
        """A message was admitted; `expected` sockets should get it."""
        self._talk[lane].sent += 1
        self._talk[lane].expected += expected

    def refuse(self, lane: Lane, code: str) -> None:
        self._talk[lane].refused += 1
        self.complain(f"{lane} refused: {code}")

    def expect_questions(self) -> None:
        """Somebody manages the room: acknowledged questions must show up there."""
        self._is_managed = True

    def begin_measuring(self) -> None:
        """The warm-up is over: latency counts from here."""
        self._is_measuring = True

    # --- answers ---------------------------------------------------------------------------

    @property
    def complaints(self) -> tuple[Complaint, ...]:
        """Most frequent first."""
        return tuple(Complaint(text=t, count=n) for t, n in self._complaints.most_common())

    def succeeded(self, kind: Kind) -> int:
        return self._joining[kind].succeeded

    def tried(self, kind: Kind) -> int:
        return self._joining[kind].tried

    def questions_lost(self) -> int:
        """Acknowledged, and never shown to who manages the room."""
        return max(0, self._talk["question"].sent - self.questions_seen)

    def interval(
        self, at_s: float, seconds: float, new: Sums, present: Present, usage: Usage
    ) -> Interval:
        """The last `seconds`, in which `new` arrived. Samples since the last call go in."""
        latency, self._new_latency_ms = self._new_latency_ms, []
        delays, self._new_delay_ms = self._new_delay_ms, {}
        return Interval(
            at_s=at_s,
            publishers=present.publishers,
            viewers=present.viewers,
            sockets=present.sockets,
            packets=new.media.packets,
            bits_per_s=new.media.bytes * 8 / seconds,
            holes=max(0, new.media.holes),
            latency_ms=percentiles(latency),
            lanes={str(lane): count for lane, count in new.messages.delivered.items()},
            lane_delay_ms={
                str(lane): found
                for lane, values in delays.items()
                if (found := percentiles(values)) is not None
            },
            server_cpu_cores=usage.server_cpu_cores,
            server_memory_bytes=usage.server_memory_bytes,
            tester_cpu_cores=usage.tester_cpu_cores,
            tester_lag_ms=usage.tester_lag_ms,
        )

    def totals(self, media: MediaSums, messages: MessageSums) -> Totals:
        """`media`: of the measured part; `messages`: of the whole run."""
        return Totals(
            joined=tuple(
                Joined(kind=kind, tried=of.tried, succeeded=of.succeeded, ms=of.ms.percentiles())
                for kind, of in self._joining.items()
                if of.tried
            ),
            media=_lost(media) if self.tried("watch") else None,
            latency_ms=self._latency_ms.percentiles(),
            feedback=self._feedback(media) if self.tried("watch") else None,
            lanes=tuple(
                self._lane(lane, messages)
                for lane in LANES
                if self._talk[lane].sent or messages.delivered.get(lane)
            ),
        )

    def _feedback(self, media: MediaSums) -> Feedback:
        return Feedback(
            nacks=media.nacks_sent,
            plis=media.plis_sent,
            receiver_reports=media.rrs_sent,
            rembs=media.rembs_sent,
            resent=media.rtx_received,
            key_frames_asked=self.key_frames_asked,
        )

    def _lane(self, lane: Lane, messages: MessageSums) -> LaneTotals:
        of = self._talk[lane]
        return LaneTotals(
            lane=lane,
            sent=of.sent,
            refused=of.refused,
            delivered=messages.delivered.get(lane, 0),
            expected=of.expected if lane == "chat" else None,
            shed=messages.shed if lane == "chat" else 0,
            delay_ms=of.delay_ms.percentiles(),
            lost=self.questions_lost() if lane == "question" and self._is_managed else None,
        )


def _lost(media: MediaSums) -> Lost:
    wanted = media.packets - media.duplicates + media.holes
    return Lost(
        packets=media.packets,
        bytes=media.bytes,
        holes=media.holes,
        duplicates=media.duplicates,
        reordered=media.reordered,
        percent=100 * media.holes / wanted if wanted > 0 else 0.0,
    )

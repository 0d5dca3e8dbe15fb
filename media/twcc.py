"""Transport-wide feedback to a publisher: which packets came, and when.

draft-holmer-rmcat-transport-wide-cc-extensions-01. All packets of a transport (audio, video, RTX,
probes) share one sequence in a header extension; the publisher estimates its uplink from what we
report, as libwebrtc's `RemoteEstimatorProxy` does: a report begins at the first packet that none
covers yet, and goes back to a late one when that comes, over what was reported since.
"""

from __future__ import annotations

import itertools
from collections import deque
from typing import Final

from media.rtp import MAX_MISORDER, ONE_BYTE_PROFILE, TWO_BYTE_PROFILE, SequenceUnwrapper
from media.twcc_packet import TICKS_PER_S, FeedbackPacket

INTERVAL_S: Final = 0.1
FAST_INTERVAL_S: Final = 0.05
"""Chromium expects 50 to 250 ms; a higher rate is told more often, so that a queue is seen sooner
(a report costs some 2 % of what it reports on)."""
FAST_PACKETS_PER_S: Final = 100
"""About 1 Mbit/s."""
MAX_PENDING: Final = 4096
"""Arrivals kept between two reports; 80,000 packets a second would fill it."""
HISTORY_S: Final = 0.5
"""How long an arrival is remembered for late ones before it (libwebrtc's back window)."""

_LEAST_BYTES: Final = 20
"""RTP header, head of an extension block, one word of it."""


def peek_transport_seq_untrusted(data: bytes, identifier: int) -> int:  # hot path
    """The transport-wide sequence number of an RTP packet, under the negotiated id (RFC 8285).

    -1 where there is none, or malformed bytes before it: `parse_rtp_untrusted` judges those. Never
    raises, and reads no further than it must.
    """
    size = len(data)
    if size < _LEAST_BYTES or not data[0] & 0x10:
        return -1
    position = 12 + 4 * (data[0] & 0x0F)
    if position + 4 > size:
        return -1
    profile = data[position] << 8 | data[position + 1]
    end = position + 4 + 4 * (data[position + 2] << 8 | data[position + 3])
    if end > size:
        return -1
    position += 4
    if profile == ONE_BYTE_PROFILE:
        while position + 2 < end:
            first = data[position]
            if first >> 4 == identifier:
                is_ours = first & 0x0F == 1
                return data[position + 1] << 8 | data[position + 2] if is_ours else -1
            if first >= 0xF0:
                return -1
            position += 2 + (first & 0x0F) if first else 1
    elif profile & 0xFFF0 == TWO_BYTE_PROFILE:
        while position + 3 < end:
            if data[position] == identifier:
                is_ours = data[position + 1] == 2
                return data[position + 2] << 8 | data[position + 3] if is_ours else -1
            position += 2 + data[position + 1] if data[position] else 1
    return -1


class TwccReporter:
    """A machine: `receive` every numbered packet, `take_due(now, ...)` by `next_deadline()`.

    `receive` only notes (hot path); unwrapping, reordering and holes are looked at once a report.
    A jump of more than 3,000 numbers begins the sequence anew instead of reporting a giant hole.
    Memory: `MAX_PENDING` arrivals, and of the last 3,000 numbers those of the last `HISTORY_S`.
    """

    __slots__ = (
        "_arrivals", "_count", "_due", "_ends", "_floor", "_pending_seqs", "_pending_times",
        "_sequence", "_start", "_taken_at", "sent",
    )  # fmt: skip

    def __init__(self) -> None:
        self._pending_seqs: list[int] = []
        self._pending_times: list[float] = []
        self._sequence = SequenceUnwrapper()
        self._arrivals: dict[int, float] = {}
        """Arrivals in monotonic seconds by extended sequence number."""
        self._ends: deque[tuple[float, int]] = deque()
        """When a report was made, and up to which number: some ten of them."""
        self._start: int | None = None
        """The first extended number that no report covers."""
        self._floor = 0
        """What comes late from before here is not reported: all above is remembered."""
        self._due: float | None = None
        self._taken_at: float | None = None
        self._count = 0
        self.sent = 0
        """Feedback packets since the beginning."""

    def receive(self, seq: int, now: float) -> None:  # hot path
        """Note one packet by its 16-bit number. A full memory forgets it: it counts as lost."""
        seqs = self._pending_seqs
        if not seqs and self._due is None:
            self._due = now + FAST_INTERVAL_S
        if len(seqs) < MAX_PENDING:
            seqs.append(seq)
            self._pending_times.append(now)

    def next_deadline(self) -> float | None:
        """When the next report is due; None while nothing new came."""
        return self._due if self._pending_seqs else None

    def is_due(self, now: float) -> bool:
        return bool(self._pending_seqs) and self._due is not None and now >= self._due

    def take_due(self, now: float, sender_ssrc: int, media_ssrc: int) -> list[bytes]:
        """The feedback packets that are due, as RTCP before SRTCP; mostly [] or one."""
        if not self.is_due(now):
            return []
        self._schedule(now)
        self._forget(now)
        news = self._take_pending()
        if not news:
            return []
        packets = self._reports(news)
        feedback: list[bytes] = []
        for packet in packets:
            feedback.append(packet.build(sender_ssrc, media_ssrc, self._count))
            self._count = (self._count + 1) & 0xFF
        self.sent += len(packets)
        self._start = packets[-1].next_seq
        self._ends.append((now, self._start))
        return feedback

    def _schedule(self, now: float) -> None:
        since_s = INTERVAL_S if self._taken_at is None else max(now - self._taken_at, 1e-3)
        is_fast = len(self._pending_seqs) >= FAST_PACKETS_PER_S * since_s
        self._taken_at = now
        self._due = now + (FAST_INTERVAL_S if is_fast else INTERVAL_S)

    def _forget(self, now: float) -> None:
        """Drop what is too old for a late packet to bring it up again; all of it was reported."""
        ends = self._ends
        floor = max(self._floor, self._sequence.highest - MAX_MISORDER)
        while ends and ends[0][0] < now - HISTORY_S:
            floor = max(floor, ends.popleft()[1])
        self._floor = floor
        arrivals = self._arrivals
        # They stand there by arrival: a late one may be kept a little longer, never for good.
        old = list(itertools.takewhile(lambda seq: seq < floor, arrivals))
        for seq in old:
            del arrivals[seq]

    def _take_pending(self) -> list[int]:
        """Move the pending arrivals over; the extended numbers that are news, as they came."""
        sequence, arrivals = self._sequence, self._arrivals
        news: list[int] = []
        for seq, at in zip(self._pending_seqs, self._pending_times, strict=True):
            restarts = sequence.restarts
            ext_seq = sequence.unwrap(seq)
            if ext_seq is None or ext_seq in arrivals:
                continue
            if sequence.restarts != restarts:
                arrivals.clear()
                news.clear()
                self._ends.clear()
                self._start = self._floor = ext_seq
            elif ext_seq < self._floor:
                continue
            arrivals[ext_seq] = at
            news.append(ext_seq)
        self._pending_seqs.clear()
        self._pending_times.clear()
        return news

    def _reports(self, news: list[int]) -> list[FeedbackPacket]:
        """The news, and what came after a late one again, in as many packets as it takes."""
        arrivals = self._arrivals
        news.sort()
        start = news[0]
        if self._start is not None and start >= self._start:
            start = self._start
        else:
            news = sorted(seq for seq in arrivals if seq >= start)
        packet = FeedbackPacket(start, _ticks(arrivals[news[0]]))
        packets = [packet]
        for ext_seq in news:
            ticks = _ticks(arrivals[ext_seq])
            if not packet.add(ext_seq, ticks):
                packet = FeedbackPacket(packet.next_seq, ticks)
                was_added = packet.add(ext_seq, ticks)
                assert was_added, "the unwrapper bounds holes: the first of a packet always fits"
                packets.append(packet)
        return packets


def _ticks(at: float) -> int:
    return round(at * TICKS_PER_S)

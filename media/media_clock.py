"""When was it captured? RTP timestamps to the server's clock and back (RFC 3550 §6.4.1).

Three clocks meet here: a codec's ticks, the publisher's NTP clock (which may be hours off), and
ours. A sender report ties ticks to the publisher's clock exactly. `PublisherClock` ties that to
ours by the least delay seen, once per publisher, so that its audio and video share one error and
lips stay in sync. Until a report arrives, the arrival of packets serves.

Our clock here is monotonic seconds (`now`). NTP for the outside is
`rtcp.ntp64(now + wall_offset_s)` with one constant offset per process, so that a stepping wall
clock never tears streams apart.
"""

from __future__ import annotations

from typing import Final

_WINDOW_S: Final = 30.0
"""Least delays are remembered for one to two windows, so drifting clocks are followed."""
_MAX_ERROR_S: Final = 10.0
"""A sender report that places capture further than this from arrival is broken: not used."""


class LeastDelay:
    """The smallest value seen in the last 30 to 60 s."""

    __slots__ = ("_current", "_previous", "_window_end")

    def __init__(self) -> None:
        self._current: float | None = None
        self._previous: float | None = None
        self._window_end = 0.0

    @property
    def value(self) -> float | None:
        if self._current is None:
            return self._previous
        if self._previous is None:
            return self._current
        return min(self._current, self._previous)

    def observe(self, value: float, now: float) -> None:
        if now >= self._window_end:
            self._previous = self._current
            self._current = None
            self._window_end = now + _WINDOW_S
        if self._current is None or value < self._current:
            self._current = value


class PublisherClock:
    """One publisher's NTP clock against ours; shared by all its tracks."""

    __slots__ = ("_delay",)

    def __init__(self) -> None:
        self._delay = LeastDelay()

    def observe(self, ntp_s: float, now: float) -> None:
        """A sender report of NTP time `ntp_s` (any epoch, seconds) arrived."""
        self._delay.observe(now - ntp_s, now)

    def to_server(self, ntp_s: float) -> float | None:
        """The publisher's NTP time on our monotonic clock; None before the first observation."""
        offset = self._delay.value
        return None if offset is None else ntp_s + offset


class MediaClock:
    """One source's `ext_timestamp` <-> capture time in seconds of our monotonic clock.

    `revision` grows when the mapping changes its basis (arrival, then reports), which is when
    every viewer should get a sender report at once. Not `is_exact`: an estimate from arrival.
    """

    __slots__ = (
        "_anchor_ntp_s", "_anchor_timestamp", "_arrival", "_clock_rate", "_origin",
        "_publisher", "_rejected", "is_exact", "revision",
    )  # fmt: skip

    def __init__(self, clock_rate: int, publisher: PublisherClock) -> None:
        self._clock_rate = clock_rate
        self._publisher = publisher
        self._arrival = LeastDelay()
        self._origin: int | None = None  # keeps ticks small, floats exact
        self._anchor_ntp_s = 0.0
        self._anchor_timestamp = 0
        self._rejected = 0
        self.is_exact = False
        self.revision = 0

    @property
    def rejected_reports(self) -> int:
        return self._rejected

    def handle_packet(self, ext_timestamp: int, now: float) -> None:
        """Feed every received packet; the quickest one of late is the estimate."""
        if self._origin is None:
            self._origin = ext_timestamp
        self._arrival.observe(now - (ext_timestamp - self._origin) / self._clock_rate, now)

    def handle_sender_report(self, ntp_s: float, ext_timestamp: int, now: float) -> None:
        """RFC 3550 §6.4.1, with the RTP timestamp already unwrapped like the packets'."""
        self._publisher.observe(ntp_s, now)
        self._take_anchor(ntp_s, ext_timestamp)

    def handle_capture_time(self, ntp_s: float, ext_timestamp: int, now: float) -> None:
        """abs-capture-time of a packet: serves until the first sender report."""
        if not self.is_exact:
            self._publisher.observe(ntp_s, now)
            self._take_anchor(ntp_s, ext_timestamp)

    def reset(self) -> None:
        """The source restarted: its old timestamps mean nothing any more."""
        self._arrival = LeastDelay()
        self._origin = None
        self.is_exact = False
        self.revision += 1

    def agrees_with(self, other: MediaClock) -> bool:
        """Whether both are exact and their errors the same: sources of one publisher."""
        return self.is_exact and other.is_exact and self._publisher is other._publisher

    def capture_time(self, ext_timestamp: int) -> float | None:
        """When this timestamp was captured; None before the first packet."""
        if self.is_exact:
            elapsed_s = (ext_timestamp - self._anchor_timestamp) / self._clock_rate
            return self._publisher.to_server(self._anchor_ntp_s + elapsed_s)
        return self._estimate(ext_timestamp)

    def timestamp_at(self, time: float) -> int | None:
        """The `ext_timestamp` captured at `time`, possibly in the future; None if unknown."""
        if self.is_exact:
            anchor = self._publisher.to_server(self._anchor_ntp_s)
            if anchor is not None:
                return self._anchor_timestamp + round((time - anchor) * self._clock_rate)
        delay = self._arrival.value
        if delay is None or self._origin is None:
            return None
        return self._origin + round((time - delay) * self._clock_rate)

    def _estimate(self, ext_timestamp: int) -> float | None:
        delay = self._arrival.value
        if delay is None or self._origin is None:
            return None
        return delay + (ext_timestamp - self._origin) / self._clock_rate

    def _take_anchor(self, ntp_s: float, ext_timestamp: int) -> None:
        estimate = self._estimate(ext_timestamp)
        exact = self._publisher.to_server(ntp_s)
        if estimate is None or exact is None or abs(exact - estimate) > _MAX_ERROR_S:
            self._rejected += 1
            return
        self._anchor_ntp_s = ntp_s
        self._anchor_timestamp = ext_timestamp
        if not self.is_exact:
            self.is_exact = True
            self.revision += 1

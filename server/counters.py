"""Plain numbers that the front counts; `server.metrics` reads them at scrape time."""

from __future__ import annotations

from collections import Counter
from typing import Final

from signaling import protocol
from signaling.lane import Lane

_LANES: Final[dict[type[protocol.ClientMessage], Lane]] = {
    protocol.Chat: Lane.CHAT,
    protocol.Ask: Lane.QUESTION,
    protocol.AnswerQuestion: Lane.QUESTION,
    protocol.DismissQuestion: Lane.QUESTION,
    protocol.ClaimQuestion: Lane.QUESTION,
    protocol.ReleaseQuestion: Lane.QUESTION,
    protocol.Like: Lane.AMBIENT,
    protocol.Ping: Lane.AMBIENT,
    protocol.ReportQuality: Lane.AMBIENT,
    protocol.ReportJoin: Lane.AMBIENT,
}
"""Everything else is control."""


_OUTCOMES: Final = ("created", "refused", "deleted")


class Counters:
    """Counters since the start of the process; every dict is bounded by a registry of codes."""

    def __init__(self) -> None:
        self.http_refusals: Counter[str] = Counter()
        """By code of `signaling.errors` or `server.problems`."""
        self.sessions: Counter[tuple[str, ...]] = Counter(
            {(door, outcome): 0 for door in ("whip", "whep") for outcome in _OUTCOMES}
        )
        """By (whip | whep, created | refused | deleted)."""
        self.sockets_open = 0
        self.frames_out = 0
        self.bytes_out = 0
        """Frames written to sockets, and their bytes with headers."""
        self.socket_closes: Counter[str] = Counter()
        """Closed by us, by name of the close code."""
        self.socket_refusals: Counter[str] = Counter()
        """Errors said by the socket front itself (before and around the room), by code."""
        self.messages_in: Counter[Lane] = Counter(dict.fromkeys(Lane, 0))

    def session(self, door: str, outcome: str) -> None:
        self.sessions[door, outcome] += 1

    def message_in(self, message: protocol.ClientMessage) -> None:
        self.messages_in[_LANES.get(type(message), Lane.CONTROL)] += 1

"""Counting the messages of a frame of our room socket by their markers, without decoding it.

In JSON a marker is `"type":"chat_said"`: inside a text its quotes would be escaped. In MessagePack
it is the key `type` and the value, each behind the byte that says its length: such a byte cannot
follow an ASCII letter in UTF-8. So no text can imitate one, and counts are exact as long as the
server writes JSON without spaces; `Tallies.check` looks at a `welcome` for that.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from loadtest.targets.target import Encoding, Lane

Message = dict[str, Any]

LANE_OF: Final[dict[str, Lane]] = {
    "chat_said": "chat",
    "question_asked": "question",
    "question_answered": "question",
    "question_joined": "question",
    "question_claimed": "question",
    "question_dismissed": "question",
    "question_expired": "question",
    "counts": "ambient",
    "chat_rate": "ambient",
}
"""Everything else is of the stage, of the show, or a reply: control (docs/protocol.md, "Lanes")."""
REPLIES: Final = frozenset(
    {"welcome", "ack", "error", "sdp_answer", "pong", "profile", "token_renewed", "shed"}
)
"""For one socket alone, and to be decoded: somebody may wait for it, or keeps what it says."""

_TYPE: Final[dict[Encoding, re.Pattern[bytes]]] = {
    "json": re.compile(rb'"type":"([a-z_]{1,31})"'),
    "msgpack": re.compile(rb"\xa4type[\xa1-\xbf]([a-z_]{1,31})"),
}
_POSITION: Final[dict[Encoding, re.Pattern[bytes]]] = {
    "json": re.compile(rb'"(log|chat)":"([^"\\]{1,64})"'),
    "msgpack": re.compile(rb"[\xa3\xa4](log|chat)[\xa1-\xbf]([!-~]{1,31})(?=[\xa3\xa4]|$)"),
}
"""Of a frame without replies, which have fields of these names. Positions come last in it."""
_POSITIONS_BYTES: Final = 160
_KEPT: Final = 4
"""Frames to compare with: a room has few audiences, and a reader that lags sees the last few."""
_MIXES: Final = 500
_Mix = tuple[tuple[tuple[Lane, int], ...], frozenset[str]]


class Tally(NamedTuple):
    """What a frame holds."""

    lanes: tuple[tuple[Lane, int], ...]
    """Messages by lane. `shed` and `message_shed` are none: they tell of what was not delivered."""
    kinds: frozenset[str]
    log: str | None = None
    """The position of the room log after this frame; None when the frame does not say."""
    chat: str | None = None
    """The position of the chat after this frame; as `log`."""


def decode(frame: bytes, encoding: Encoding) -> Message:
    """One server frame; raises `ValueError` for anything but a batch."""
    try:
        batch = msgspec.json.decode(frame) if encoding == "json" else msgspec.msgpack.decode(frame)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise ValueError(str(error)) from error
    if not isinstance(batch, dict) or not isinstance(batch.get("messages"), list):
        raise ValueError("a frame that is no batch")
    return batch


def tally_of(batch: Message) -> Tally:
    """The plain way: what a decoded frame holds."""
    kinds = Counter(str(message["type"]) for message in batch["messages"])
    return Tally(_by_lane(kinds), frozenset(kinds), batch.get("log"), batch.get("chat"))


class Tallies:
    """Tallies of the frames of one encoding, for all sockets of the tester together.

    A broadcast is the same bytes at every socket. To compare them with the last few frames costs
    some 0.1 us, to search them up to 15 us (50 messages); so each is searched once.
    """

    def __init__(self, encoding: Encoding) -> None:
        self._encoding: Encoding = encoding
        self._types = _TYPE[encoding]
        self._position = _POSITION[encoding]
        self._known: deque[tuple[bytes, Tally]] = deque(maxlen=_KEPT)
        self._mixes: dict[tuple[bytes, ...], _Mix] = {}
        self._is_compact = True

    def check(self, frame: bytes) -> None:
        """Shown any frame with a `welcome`: unless its marker is found, all are decoded."""
        self._is_compact = b"welcome" in self._types.findall(frame)

    def tally(self, frame: bytes) -> Tally:  # hot path
        """What the frame holds; raises `ValueError` for nonsense where it must be decoded."""
        for known, tally in self._known:
            if frame == known:
                return tally
        tally = self._search(frame)
        if REPLIES.isdisjoint(tally.kinds):
            self._known.appendleft((frame, tally))
        return tally

    def _search(self, frame: bytes) -> Tally:
        if not self._is_compact:
            return tally_of(decode(frame, self._encoding))
        lanes, kinds = self._mix(tuple(self._types.findall(frame)))
        if not REPLIES.isdisjoint(kinds):
            # Decoded by its receiver, who takes the positions from there.
            return Tally(lanes, kinds)
        log = chat = None
        for name, position in self._position.findall(frame[-_POSITIONS_BYTES:]):
            if name == b"log":
                log = position.decode()
            else:
                chat = position.decode()
        return Tally(lanes, kinds, log, chat)

    def _mix(self, types: tuple[bytes, ...]) -> _Mix:
        """Lanes and kinds of these types: nearly always a mix that was seen before."""
        mix = self._mixes.get(types)
        if mix is None:
            kinds = Counter(name.decode() for name in types)
            if len(self._mixes) >= _MIXES:
                self._mixes.clear()
            mix = self._mixes[types] = _by_lane(kinds), frozenset(kinds)
        return mix


def _by_lane(kinds: Mapping[str, int]) -> tuple[tuple[Lane, int], ...]:
    lanes: Counter[Lane] = Counter()
    for kind, count in kinds.items():
        if kind not in ("shed", "message_shed"):
            lanes[LANE_OF.get(kind, "control")] += count
    return tuple(lanes.items())

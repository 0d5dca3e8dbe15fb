"""Places in the streams of a room: `epoch.streamid` on the wire, opaque to clients (DESIGN 4.1).

The epoch is the identity of a room's streams: a room that was wiped and made again has another one,
so that an old position is never mistaken for a place in the new stream.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

from signaling.errors import Refusal

StreamId: TypeAlias = tuple[int, int]
"""Milliseconds and counter of a stream entry, comparable."""

START: Final[StreamId] = (0, 0)
"""Before the first entry."""
_MAX_PART: Final = 2**64 - 1


def parse_stream_id(text: str | bytes) -> StreamId:
    """`1795312924116-0` from the store, which is trusted, as a comparable pair."""
    milliseconds, _, counter = (text.decode() if isinstance(text, bytes) else text).partition("-")
    return int(milliseconds), int(counter)


def format_stream_id(stream_id: StreamId) -> str:
    return f"{stream_id[0]}-{stream_id[1]}"


class Position(NamedTuple):
    """One place in one stream of a room."""

    epoch: str
    stream_id: StreamId

    def wire(self) -> str:
        return f"{self.epoch}.{format_stream_id(self.stream_id)}"


def parse_position_untrusted(text: str) -> Position:
    """A client's position. Raises `Refusal("bad_message")` for anything that we never made."""
    epoch, dot, rest = text.partition(".")
    milliseconds, dash, counter = rest.partition("-")
    parts = (milliseconds, counter)
    if not dot or not dash or not all(p.isascii() and p.isdigit() and len(p) <= 20 for p in parts):
        raise Refusal("bad_message", "A position is not one of ours.")
    stream_id = (int(milliseconds), int(counter))
    if max(stream_id) > _MAX_PART:
        raise Refusal("bad_message", "A position is not one of ours.")
    return Position(epoch, stream_id)

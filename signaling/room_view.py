"""A room at one moment: its state and the places in both streams at which that state holds."""

from __future__ import annotations

from typing import Final, NamedTuple

from signaling.group_writer import Reply
from signaling.log_reader import Entry
from signaling.positions import Position, format_stream_id, parse_stream_id
from signaling.room_state import RoomState

MAX_RECOVERED: Final = 300
"""Entries of one stream handed to a returning client; who missed more starts anew."""
LATEST_CHAT: Final = 50
"""Chat messages that a newcomer sees."""


class Resume(NamedTuple):
    """Where a returning client stands in both streams."""

    log: Position
    chat: Position


class StreamTail(NamedTuple):
    """One stream. `missed`: what came after the asked place; None when that has a hole (or when
    nothing was asked)."""

    position: Position
    missed: list[Entry] | None


class RoomView(NamedTuple):
    """`exists` is False while nobody ever opened the room; then the state is the initial one.
    `latest_chat` is oldest first, and empty for a returning client."""

    exists: bool
    state: RoomState
    log: StreamTail
    chat: StreamTail
    latest_chat: list[Entry]

    @property
    def is_recovered(self) -> bool:
        """True when the missed entries of both streams are known without a hole."""
        return self.log.missed is not None and self.chat.missed is not None


def view_arguments(resume: Resume | None) -> list[str | bytes | int]:
    """ARGV of view.lua. One entry more than we hand out tells that there is more."""
    if resume is None:
        return ["", "", 0, LATEST_CHAT]
    return [
        format_stream_id(resume.log.stream_id),
        format_stream_id(resume.chat.stream_id),
        MAX_RECOVERED + 1,
        0,
    ]


def parse_view(state: RoomState, epoch: str, reply: Reply, resume: Resume | None) -> RoomView:
    """The reply of view.lua beside the state that was decoded from it."""
    _, _, _, log_stream, chat_stream, latest = reply
    return RoomView(
        exists=bool(epoch),
        state=state,
        log=_tail(epoch, log_stream, None if resume is None else resume.log),
        chat=_tail(epoch, chat_stream, None if resume is None else resume.chat),
        latest_chat=[_entry(row) for row in reversed(latest)],
    )


def _tail(epoch: str, stream: Reply, since: Position | None) -> StreamTail:
    """Unrecoverable: another epoch; a place beyond the tail (the store lost its end); a place
    before the oldest entry, unless nothing was ever trimmed; more entries than we hand out."""
    first, last, length, ever_added, rows = stream
    tail = Position(epoch, parse_stream_id(last))
    if since is None:
        return StreamTail(tail, None)
    is_whole = length == ever_added or since.stream_id >= parse_stream_id(first)
    is_known = since.epoch == epoch and since.stream_id <= tail.stream_id
    if not (is_known and is_whole and len(rows) <= MAX_RECOVERED):
        return StreamTail(tail, None)
    return StreamTail(tail, [_entry(row) for row in rows])


def _entry(row: Reply) -> Entry:
    """`[id, [field, value, ...]]`, as a script returns an entry."""
    stream_id, fields = row
    values = dict(zip(fields[::2], fields[1::2], strict=True))
    return Entry(parse_stream_id(stream_id), values.get(b"e", b""))

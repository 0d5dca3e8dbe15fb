"""Redundant audio (RFC 2198 §3): older blocks repeated before the newest one.

    |F|   block PT  |  timestamp offset (14)    | block length (10) |   redundant blocks, F = 1
    |0|   block PT  |                                                  the primary, last
    | redundant blocks' data, in the order of the headers | primary data to the end |

Only the payload types in the headers differ from viewer to viewer, so one parse serves them all:
`retype` gives the payload for a viewer with RED, `primary` that for one without.
"""

from __future__ import annotations

from media.errors import RemoteProtocolError

_HEADER_BYTES = 4
_MORE = 0x80


class RedLayout:
    """Where things are in one RED payload. `redundant` counts the blocks before the primary,
    `primary_start` is where the primary's data begin (up to the end of the payload)."""

    __slots__ = ("primary_start", "redundant")

    def __init__(self, redundant: int, primary_start: int) -> None:
        self.redundant = redundant
        self.primary_start = primary_start


def parse_red_untrusted(payload: bytes, block_payload_type: int) -> RedLayout:
    """Read the block headers; raises `RemoteProtocolError` where they or the blocks they announce
    end outside the payload, or hold another format than the one negotiated."""
    position = 0
    blocks_bytes = 0
    end = len(payload)
    while position < end and payload[position] & _MORE:
        if position + _HEADER_BYTES > end:
            raise RemoteProtocolError("red_header_truncated")
        if payload[position] & 0x7F != block_payload_type:
            raise RemoteProtocolError("red_payload_type")
        blocks_bytes += (payload[position + 2] & 0x03) << 8 | payload[position + 3]
        position += _HEADER_BYTES
    if position >= end:
        raise RemoteProtocolError("red_header_truncated")
    if payload[position] != block_payload_type:
        raise RemoteProtocolError("red_payload_type")
    primary_start = position + 1 + blocks_bytes
    if primary_start > end:
        raise RemoteProtocolError("red_block_truncated")
    return RedLayout(position // _HEADER_BYTES, primary_start)


def primary(payload: bytes, layout: RedLayout) -> bytes:
    """The newest block alone: the payload as it would be without RED."""
    return payload[layout.primary_start :]


def retype(payload: bytes, layout: RedLayout, block_payload_type: int) -> bytes:
    """The payload with every block under another payload type; the same object if it has it."""
    last = layout.redundant * _HEADER_BYTES
    if payload[last] == block_payload_type:
        return payload  # all headers of a payload name the same format
    moved = bytearray(payload)
    for at in range(0, last, _HEADER_BYTES):
        moved[at] = _MORE | block_payload_type
    moved[last] = block_payload_type
    return bytes(moved)

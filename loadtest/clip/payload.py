"""What the packetisers share: how large a payload may be, and how frames are cut."""

from __future__ import annotations

from typing import Final

MAX_PAYLOAD_BYTES: Final = 1150
"""With the RTP header (12), a header extension of mid and rid (some 20) and the SRTP tag (16) a
datagram stays below 1,200 bytes, which every path of the internet carries."""


def split(data: bytes, most: int, *, last_less: int = 0) -> tuple[bytes, ...]:
    """Pieces of about equal size, `most` bytes at most, the last one at least `last_less` below.

    Equal, as a tiny last packet costs as much as a full one. No piece is empty; no data gives no
    pieces. `last_less` is at most half of `most`.
    """
    assert 0 <= 2 * last_less <= most, "a last piece cut in two must have the room"
    if not data:
        return ()
    total = len(data) + last_less
    size = -(-total // -(-total // most))
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    last = pieces[-1]
    if len(last) > most - last_less:  # the data ends where the room was to begin
        half = len(last) // 2
        pieces[-1:] = [last[:half], last[half:]]
    return tuple(pieces)

"""VP8 frames as RTP payloads (RFC 7741).

     0 1 2 3 4 5 6 7
    |X|R|N|S|R| PID |   X: the next byte is there; S: this packet starts a partition
    |I|L|T|K| RSV   |   I: a picture id follows
    |M| PictureID   |   M: it has 15 bits
    |  PictureID    |

Every frame is sent as one run of bytes, so S and PID 0 stand in its first packet alone (§4.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from loadtest.clip.payload import MAX_PAYLOAD_BYTES, split
from loadtest.rtc.marker import MARK_BYTES

DESCRIPTOR_BYTES: Final = 4
PICTURE_IDS: Final = 1 << 15
_FIRST: Final = 0x90
"""X and S."""
_LATER: Final = 0x80
_HAS_PICTURE_ID: Final = 0x80
_IS_LONG: Final = 0x8000


def fragments(frame: bytes) -> tuple[bytes, ...]:
    """What goes behind the descriptors; the last one leaves room for a mark."""
    return split(frame, MAX_PAYLOAD_BYTES - DESCRIPTOR_BYTES, last_less=MARK_BYTES)


class Vp8Payloads:
    """Numbers the pictures of one stream: 15 bits, wrapping (RFC 7741 §4.2)."""

    def __init__(self, first_picture_id: int) -> None:
        self._picture_id = first_picture_id % PICTURE_IDS

    def next_frame(self, cut: Sequence[bytes], mark: bytes | None) -> list[bytes]:
        """`cut`: its `fragments`. A mark goes behind the frame's end: decoders stop reading there,
        as the last partition has no length of its own (RFC 6386 §9.5)."""
        fields = bytes((_HAS_PICTURE_ID,)) + (_IS_LONG | self._picture_id).to_bytes(2, "big")
        self._picture_id = (self._picture_id + 1) % PICTURE_IDS
        later = bytes((_LATER,)) + fields
        payloads = [later + fragment for fragment in cut]
        payloads[0] = bytes((_FIRST,)) + payloads[0][1:]
        if mark is not None:
            payloads[-1] += mark
        return payloads

"""Datagrams on a stream: RFC 4571 §2, as ICE-TCP uses it (RFC 6544 §3).

 0                   1
 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6
+-------------------------------+------------------------
|            LENGTH             |  STUN, DTLS, RTP, RTCP ...
+-------------------------------+------------------------
"""

from __future__ import annotations

import struct
from typing import Final

from media.errors import RemoteProtocolError

MAX_FRAME_BYTES: Final = 2048
"""As much as is read of a UDP datagram: no peer sends more than a path MTU at once."""
PREFIX_BYTES: Final = 2
_LENGTH: Final = struct.Struct("!H")


class Deframer:
    """Cuts one direction of a connection into datagrams, however TCP cut it before.

    Keeps less than one frame between calls.
    """

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def frames_untrusted(self, data: bytes) -> list[bytes]:
        """The datagrams that `data` completes, in order.

        Raises `RemoteProtocolError` (`bad_frame`) for a length of zero or above
        `MAX_FRAME_BYTES`; the connection cannot be read on after that. RFC 4571 allows the null
        packet, but nothing that speaks ICE sends one, and much that does not speak it would.
        """
        data = self._rest + data if self._rest else data
        frames: list[bytes] = []
        start, end = 0, len(data)
        while end - start >= PREFIX_BYTES:
            (length,) = _LENGTH.unpack_from(data, start)
            if not 0 < length <= MAX_FRAME_BYTES:
                raise RemoteProtocolError("bad_frame", f"a frame of {length} bytes")
            after = start + PREFIX_BYTES + length
            if after > end:
                break
            frames.append(data[start + PREFIX_BYTES : after])
            start = after
        self._rest = data[start:]
        return frames


def framed(data: bytes | memoryview) -> bytes:
    """One datagram as a frame."""
    return b"".join((_LENGTH.pack(len(data)), data))


def framed_run(view: memoryview, segment_bytes: int) -> bytes:
    """A run of the fan-out (datagrams of `segment_bytes`, the last possibly shorter) as frames."""
    parts: list[bytes | memoryview] = []
    for start in range(0, len(view), segment_bytes):
        segment = view[start : start + segment_bytes]
        parts += (_LENGTH.pack(len(segment)), segment)
    return b"".join(parts)

"""WebSocket frames a server sends (RFC 6455 §5.2): unmasked, unfragmented, built once per payload.

    0                   1
    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7
    FIN  RSV  opcode    MASK=0  length (7 | 7+16 | 7+64 bits)   payload

A room hands the same `bytes` object to a thousand links in a row (DESIGN 4.4), so the last few
payloads keep their frame.
"""

from __future__ import annotations

import struct
from typing import Final

TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
_FIN: Final = 0x80
_LEN16: Final = struct.Struct("!BBH")
_LEN64: Final = struct.Struct("!BBQ")
_CLOSE_CODE: Final = struct.Struct("!H")


def frame(opcode: int, payload: bytes) -> bytes:
    """One whole frame."""
    size = len(payload)
    if size < 126:
        return bytes((_FIN | opcode, size)) + payload
    if size < 65536:
        return _LEN16.pack(_FIN | opcode, 126, size) + payload
    return _LEN64.pack(_FIN | opcode, 127, size) + payload


def close_frame(code: int, reason: str) -> bytes:
    """A close frame; the reason is cut to the 123 bytes a control frame has room for."""
    return frame(CLOSE, _CLOSE_CODE.pack(code) + reason.encode()[:123])


class FrameCache:
    """The frames of the last payloads, found by identity.

    A few are kept rather than one because an urgent flush may overtake a broadcast between two of
    its slices. The payload is kept with its frame, so its `id` cannot be reused meanwhile.
    """

    def __init__(self, size: int = 8) -> None:
        self._size = size
        self._frames: dict[tuple[int, int], tuple[bytes, bytes]] = {}

    def frame(self, opcode: int, payload: bytes) -> bytes:  # hot path
        """The frame of `payload`, built at the first of several calls with the same object."""
        key = (id(payload), opcode)
        known = self._frames.get(key)
        if known is not None:
            return known[1]
        built = frame(opcode, payload)
        if len(self._frames) >= self._size:
            del self._frames[next(iter(self._frames))]
        self._frames[key] = (payload, built)
        return built

"""WebSocket frames as a client reads and writes them (RFC 6455 §5): a core, no sockets.

0                   1
0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7
FIN  RSV  opcode    MASK  length (7 | 7+16 | 7+64 bits)   masking key (ours alone)   payload
"""

from __future__ import annotations

import struct
from typing import Final

CONTINUATION: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA

MAX_MESSAGE_BYTES: Final = 4 * 1024 * 1024
"""What a server may send as one message: far above a snapshot with everything in it."""
MAX_CONTROL_BYTES: Final = 125
"""RFC 6455 §5.5."""
NO_STATUS: Final = 1005
"""A close frame without a code (RFC 6455 §7.4.1)."""
ABNORMAL: Final = 1006
"""The connection ended without a close frame (RFC 6455 §7.4.1)."""

_FIN: Final = 0x80
_RESERVED: Final = 0x70
_MASKED: Final = 0x80
_LEN16: Final = struct.Struct("!BBH")
_LEN64: Final = struct.Struct("!BBQ")
_U16: Final = struct.Struct("!H")
_U64: Final = struct.Struct("!Q")


class FrameError(Exception):
    """The peer broke RFC 6455. The connection cannot go on: where the next frame starts is
    unknown. `code` is the close code to leave with (§7.4.1)."""

    def __init__(self, message: str, code: int = 1002) -> None:
        super().__init__(message)
        self.code = code


class FrameParser:
    """Bytes of a server in, whole messages out.

    `feed` returns (opcode, payload): TEXT and BINARY messages put together from their fragments,
    control frames as they come, in between too. Whether a text is UTF-8 is not looked at: who
    decodes it will see. After a `FrameError` the parser must not be fed again. Holds at most one
    unfinished message, which is bounded by `max_bytes`.
    """

    __slots__ = ("_buffer", "_fragments", "_fragments_bytes", "_fragments_opcode", "_max_bytes")

    def __init__(self, max_bytes: int = MAX_MESSAGE_BYTES) -> None:
        self._max_bytes = max_bytes
        self._buffer = bytearray()
        self._fragments: list[bytes] = []
        self._fragments_bytes = 0
        self._fragments_opcode = 0

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:  # hot path
        """Raises `FrameError` for what RFC 6455 forbids a server, and for more than `max_bytes`."""
        if not self._buffer and not self._fragments_opcode and len(data) >= 2:
            # Nearly always: exactly one whole, unfragmented message.
            first, length = data[0], data[1]
            if first == 0x81 or first == 0x82:
                if length < 126:
                    start = 2
                elif length == 126 and len(data) >= 4:
                    start, length = 4, data[2] << 8 | data[3]
                else:
                    return self._feed_any(data)
                if len(data) == start + length <= self._max_bytes:
                    return [(first & 0x0F, data[start:])]
        return self._feed_any(data)

    def _feed_any(self, data: bytes) -> list[tuple[int, bytes]]:
        self._buffer += data
        messages: list[tuple[int, bytes]] = []
        at = 0
        while (head := self._head(at)) is not None:
            start, end = head
            if end > len(self._buffer):
                break
            message = self._frame(self._buffer[at], bytes(self._buffer[start:end]))
            if message is not None:
                messages.append(message)
            at = end
        del self._buffer[:at]
        return messages

    def _head(self, at: int) -> tuple[int, int] | None:
        """Where the payload of the frame at `at` starts and ends; None until its head is whole."""
        buffer = self._buffer
        if len(buffer) - at < 2:
            return None
        first, second = buffer[at], buffer[at + 1]
        if first & _RESERVED:
            raise FrameError("reserved bits without an extension (RFC 6455 §5.2)")
        if second & _MASKED:
            raise FrameError("a masked frame of a server (RFC 6455 §5.1)")
        start, length = at + 2, second
        if first & 0x08:
            _check_control(first, length)
        elif length == 126:
            start += 2
            if len(buffer) < start:
                return None
            (length,) = _U16.unpack_from(buffer, at + 2)
        elif length == 127:
            start += 8
            if len(buffer) < start:
                return None
            (length,) = _U64.unpack_from(buffer, at + 2)
        if length + self._fragments_bytes > self._max_bytes:
            raise FrameError(f"a message of more than {self._max_bytes} bytes", code=1009)
        return start, start + length

    def _frame(self, first: int, payload: bytes) -> tuple[int, bytes] | None:
        """One whole frame; returns the message that it completes."""
        opcode, is_final = first & 0x0F, bool(first & _FIN)
        if opcode in (CLOSE, PING, PONG):
            return opcode, payload
        if opcode not in (CONTINUATION, TEXT, BINARY):
            raise FrameError(f"the unknown opcode {opcode:#x} (RFC 6455 §5.2)")
        if (opcode == CONTINUATION) != bool(self._fragments_opcode):
            raise FrameError("fragments out of order (RFC 6455 §5.4)")
        if is_final and opcode != CONTINUATION:
            return opcode, payload
        self._fragments_opcode = self._fragments_opcode or opcode
        self._fragments_bytes += len(payload)
        if payload:
            self._fragments.append(payload)
        return self._joined() if is_final else None

    def _joined(self) -> tuple[int, bytes]:
        message = self._fragments_opcode, b"".join(self._fragments)
        self._fragments_opcode = self._fragments_bytes = 0
        self._fragments.clear()
        return message


def _check_control(first: int, length: int) -> None:
    if not first & _FIN:
        raise FrameError("a fragmented control frame (RFC 6455 §5.5)")
    if length > MAX_CONTROL_BYTES:
        raise FrameError("a control frame of more than 125 bytes (RFC 6455 §5.5)")


def client_frame(opcode: int, payload: bytes, key: int) -> bytes:
    """One whole, masked frame (RFC 6455 §5.3). `key`: 32 random bits, new for each frame."""
    size = len(payload)
    mask = key.to_bytes(4, "big")
    if size < 126:
        head = bytes((_FIN | opcode, _MASKED | size))
    elif size < 65536:
        head = _LEN16.pack(_FIN | opcode, _MASKED | 126, size)
    else:
        head = _LEN64.pack(_FIN | opcode, _MASKED | 127, size)
    return b"".join((head, mask, _masked(payload, mask)))


def _masked(payload: bytes, mask: bytes) -> bytes:
    """One exclusive or of two long numbers instead of a loop over bytes."""
    size = len(payload)
    keys = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(keys, "big")).to_bytes(size, "big")


def close_payload(code: int, reason: str = "") -> bytes:
    """RFC 6455 §5.5.1; the reason is cut to the 123 bytes that are left."""
    return _U16.pack(code) + reason.encode()[:123]


def parse_close_untrusted(payload: bytes) -> tuple[int, str]:
    """Code and reason of a close frame; `NO_STATUS` when it is empty. Raises `FrameError`."""
    if not payload:
        return NO_STATUS, ""
    if len(payload) < 2:
        raise FrameError("half a close code (RFC 6455 §5.5.1)")
    # A reason that was cut inside a character is still readable.
    return _U16.unpack_from(payload)[0], payload[2:].decode(errors="replace")

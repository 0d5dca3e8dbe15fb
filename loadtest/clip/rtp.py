"""One outgoing RTP stream (RFC 3550 §5.1)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

_HEADER: Final = struct.Struct("!BBHII")
_VERSION: Final = 0x80
_EXTENSION: Final = 0x10
_MARKER: Final = 0x80


class RtpStream:
    """Numbers the packets of one SSRC; `extension` is the whole header extension block."""

    def __init__(
        self,
        *,
        ssrc: int,
        payload_type: int,
        clock_rate: int,
        first_seq: int,
        first_timestamp: int,
        extension: bytes = b"",
    ) -> None:
        self.ssrc = ssrc
        self._clock_rate = clock_rate
        self._payload_type = payload_type
        self._seq = first_seq
        self._first_timestamp = first_timestamp
        self._extension = extension
        self._first_byte = _VERSION | (_EXTENSION if extension else 0)

    def timestamp_at(self, since_start_s: float) -> int:
        """On the stream's clock, wrapping."""
        return (self._first_timestamp + round(since_start_s * self._clock_rate)) & 0xFFFFFFFF

    def frame(self, payloads: Sequence[bytes], timestamp: int, *, marks_end: bool) -> list[bytes]:
        """Its packets; with `marks_end` the last one has the marker bit."""
        packets = []
        last = len(payloads) - 1
        for place, payload in enumerate(payloads):
            marker = _MARKER if marks_end and place == last else 0
            header = _HEADER.pack(
                self._first_byte, marker | self._payload_type, self._seq, timestamp, self.ssrc
            )
            packets.append(header + self._extension + payload)
            self._seq = (self._seq + 1) & 0xFFFF
        return packets

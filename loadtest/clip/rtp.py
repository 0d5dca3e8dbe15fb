"""One outgoing RTP stream and its sender reports (RFC 3550)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

NTP_EPOCH_S: Final = 2_208_988_800
"""1900 to 1970."""
_HEADER: Final = struct.Struct("!BBHII")
_VERSION: Final = 0x80
_EXTENSION: Final = 0x10
_MARKER: Final = 0x80
_SENDER_REPORT: Final = struct.Struct("!BBHIQIII")
_PT_SR, _PT_SDES, _CNAME = 200, 202, 1


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
        self.packets = 0
        self.octets = 0
        """Of payload."""
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
            self.octets += len(payload)
        self.packets += len(payloads)
        return packets

    def sender_report(self, since_start_s: float, wall_ns: int, cname: str) -> bytes:
        """SR and SDES in one compound packet (§6.4.1, §6.5): which wall clock time a timestamp is,
        so that receivers play sound and picture in step."""
        report = _SENDER_REPORT.pack(
            _VERSION,
            _PT_SR,
            _SENDER_REPORT.size // 4 - 1,
            self.ssrc,
            _ntp(wall_ns),
            self.timestamp_at(since_start_s),
            self.packets & 0xFFFFFFFF,
            self.octets & 0xFFFFFFFF,
        )
        item = bytes((_CNAME, len(cname))) + cname.encode()
        # The list of items ends with a zero byte, the chunk at a multiple of four.
        chunk = self.ssrc.to_bytes(4, "big") + item + bytes(4 - len(item) % 4)
        return report + struct.pack("!BBH", _VERSION | 1, _PT_SDES, len(chunk) // 4) + chunk


def _ntp(wall_ns: int) -> int:
    """64 bits of NTP time: seconds since 1900 and their 2^32th parts."""
    seconds, rest_ns = divmod(wall_ns, 1_000_000_000)
    return (seconds + NTP_EPOCH_S & 0xFFFFFFFF) << 32 | (rest_ns << 32) // 1_000_000_000

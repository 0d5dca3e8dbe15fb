"""RTP header extensions: their names and the one-byte form (RFC 8285 §4.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

MID: Final = "urn:ietf:params:rtp-hdrext:sdes:mid"  # RFC 9143 §15.1
RID: Final = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"  # RFC 8852 §3.1
REPAIRED_RID: Final = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
ABS_SEND_TIME: Final = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"

OFFERED_IDS: Final = {ABS_SEND_TIME: 3, MID: 4, RID: 5, REPAIRED_RID: 6}
_PROFILE: Final = b"\xbe\xde"
LARGEST_ID: Final = 14
LONGEST_VALUE: Final = 16


def pack_extensions(values: Sequence[tuple[int, bytes]]) -> bytes:
    """The block that follows the fixed header of a packet whose X bit is set, `0xBEDE` and length
    included; empty without values. Values that do not fit the one-byte form raise `ValueError`."""
    if not values:
        return b""
    body = b""
    for number, value in values:
        if not (1 <= number <= LARGEST_ID and 1 <= len(value) <= LONGEST_VALUE):
            raise ValueError(f"extension {number} of {len(value)} bytes does not fit one byte")
        body += bytes([number << 4 | len(value) - 1]) + value
    body += bytes(-len(body) % 4)
    return _PROFILE + (len(body) // 4).to_bytes(2, "big") + body


def abs_send_time(seconds: float) -> bytes:
    """24 bits: seconds modulo 64, with 18 bits behind the point. Any clock serves."""
    return (int(seconds * (1 << 18)) & 0xFFFFFF).to_bytes(3, "big")


def header_bytes(packet: bytes) -> int | None:
    """Length of fixed header, CSRCs and extension of a plain RTP packet; None when cut short."""
    if len(packet) < 12:
        return None
    length = 12 + 4 * (packet[0] & 0x0F)
    if packet[0] & 0x10:
        if len(packet) < length + 4:
            return None
        length += 4 + 4 * int.from_bytes(packet[length + 2 : length + 4], "big")
    return length if length <= len(packet) else None


def payload_of(packet: bytes) -> bytes:
    """The payload of a plain RTP packet without its padding; empty when malformed."""
    begin = header_bytes(packet)
    if begin is None:
        return b""
    end = len(packet) - (packet[-1] if packet[0] & 0x20 else 0)
    return packet[begin:end]

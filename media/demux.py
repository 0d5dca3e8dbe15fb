"""Which protocol a datagram on the shared UDP port carries (RFC 7983 §7, RFC 5761 §4).

                 +-----------------+
                 |      [0..3]    -+--> STUN
                 |    [20..63]    -+--> DTLS
    first byte   |   [128..191]   -+--> RTP, or RTCP when the second byte is in [192..223]
                 |      else      -+--> dropped by the caller
                 +-----------------+

These look at the first bytes only and promise nothing about the rest.
"""

from __future__ import annotations

from typing import Final

STUN_HEADER_BYTES: Final = 20
STUN_COOKIE: Final = b"\x21\x12\xa4\x42"  # RFC 8489 §5: constant, tells STUN from anything else


def is_stun(data: bytes) -> bool:
    """Whether this looks like STUN: first byte 0..3 and the magic cookie (RFC 8489 §5)."""
    return len(data) >= STUN_HEADER_BYTES and data[0] < 4 and data[4:8] == STUN_COOKIE


def is_dtls(data: bytes) -> bool:
    """Whether the first byte is in DTLS's range 20..63 (RFC 7983 §7)."""
    return len(data) > 0 and 20 <= data[0] <= 63


def is_rtp_or_rtcp(data: bytes) -> bool:
    """Whether the first byte is in the range of RTP version 2, 128..191 (RFC 7983 §7)."""
    return len(data) >= 2 and 128 <= data[0] <= 191


def is_rtcp(data: bytes) -> bool:
    """RTCP among `is_rtp_or_rtcp` datagrams: packet types 192..223 (RFC 5761 §4)."""
    return len(data) >= 2 and 192 <= data[1] <= 223

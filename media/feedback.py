"""What a viewer's RTCP says, in one record: reports, an estimate, requests.

    RR   V=2|P| count |   201   | length     ssrc, then per report: ssrc | lost/256 | lost in all
                                             | highest seq | jitter | LSR | DLSR (RFC 3550 §6.4.2)
    NACK V=2|P| 1     |   205   | length     ssrc | media ssrc | PID BLP ... (RFC 4585 §6.2.1)
    PLI  V=2|P| 1     |   206   | length     ssrc | media ssrc (RFC 4585 §6.3.1)
    REMB V=2|P| 15    |   206   | length     ssrc | 0 | "REMB" | n, exponent, mantissa | ssrc ...

Browsers send these few layouts all the time, to each viewer's cost, so they are read here in one
pass without an object for each. Whatever else comes, rare or wrong, is read by `media.rtcp`, which
tests also take as the oracle.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final

from aiortc.rtp import RtcpReceiverInfo, RtcpRrPacket, RtcpRtpfbPacket, RtcpSrPacket

from media import rtcp

MAX_PLAIN_PACKETS: Final = 16
"""Read here from one datagram; a browser's compound has under ten."""

_HEAD = struct.Struct("!BBH")
_REPORT = struct.Struct("!IiIIII")
_REQUEST = struct.Struct("!4xI")
_PAIR = struct.Struct("!HH")
_REMB = struct.Struct("!8x4sI")
_RR: Final = 201
_SDES: Final = 202
_RTPFB: Final = 205
_PSFB: Final = 206
_HEAD_ONE: Final = 0x81
"""Version 2, no padding, format 1: a NACK or a PLI."""
_HEAD_APPLICATION: Final = 0x8F


class Feedback:
    """`reports` of all report blocks, `nacks` as (media SSRC, 16-bit numbers), `wanted` the SSRCs
    that want a key frame (PLI, FIR), each in order; `estimate_bps` the last REMB or None."""

    __slots__ = ("estimate_bps", "nacks", "reports", "wanted")

    def __init__(self) -> None:
        self.reports: list[RtcpReceiverInfo] = []
        self.nacks: list[tuple[int, list[int]]] = []
        self.wanted: list[int] = []
        self.estimate_bps: int | None = None


def read_feedback_untrusted(data: bytes) -> Feedback:  # hot path
    """The feedback in one decrypted RTCP datagram.

    Raises `RemoteProtocolError` as `rtcp.parse_compound_untrusted` does."""
    feedback = _read_plain(data)
    return feedback if feedback is not None else feedback_of(rtcp.parse_compound_untrusted(data))


def feedback_of(packets: Iterable[rtcp.AnyRtcpPacket]) -> Feedback:
    """The feedback in parsed packets; others are passed over."""
    feedback = Feedback()
    for packet in packets:
        if isinstance(packet, RtcpRrPacket | RtcpSrPacket):
            feedback.reports += packet.reports
        elif isinstance(packet, RtcpRtpfbPacket):
            if rtcp.is_nack(packet):
                feedback.nacks.append((packet.media_ssrc, packet.lost))
        elif (estimate := rtcp.remb_bps(packet)) is not None:
            feedback.estimate_bps = estimate
        elif rtcp.is_pli(packet):
            feedback.wanted.append(packet.media_ssrc)  # type: ignore[union-attr]  # is_pli narrowed
        else:
            feedback.wanted += rtcp.fir_ssrcs(packet)
    return feedback


def _read_plain(data: bytes) -> Feedback | None:
    """None unless every packet is one of the layouts above, whole and without padding."""
    feedback = Feedback()
    at, size = 0, len(data)
    for _ in range(MAX_PLAIN_PACKETS):
        if at + 8 > size:
            return feedback if at == size else None
        head, kind, words = _HEAD.unpack_from(data, at)
        body = at + 4
        at = body + 4 * words
        if at > size:
            return None
        if kind == _RR:
            if head >> 5 != 4 or words != 1 + 6 * (head & 31):
                return None
            for ssrc, lost, highest, jitter, lsr, dlsr in _REPORT.iter_unpack(data[body + 4 : at]):
                feedback.reports.append(
                    RtcpReceiverInfo(
                        ssrc,
                        lost >> 24 & 0xFF,
                        ((lost & 0xFFFFFF) ^ 0x800000) - 0x800000,  # 24 bits, signed
                        highest,
                        jitter,
                        lsr,
                        dlsr,
                    )
                )
        elif kind == _SDES:
            continue
        elif kind == _PSFB and head == _HEAD_APPLICATION and words >= 4:
            name, value = _REMB.unpack_from(data, body)
            if name != b"REMB" or words < 4 + (value >> 24):
                return None
            feedback.estimate_bps = (value & 0x3FFFF) << (value >> 18 & 0x3F)
        elif head == _HEAD_ONE and words >= 2 and kind == _PSFB:
            feedback.wanted.append(_REQUEST.unpack_from(data, body)[0])
        elif head == _HEAD_ONE and words >= 2 and kind == _RTPFB:
            lost_seqs = _lost(data[body + 8 : at])
            feedback.nacks.append((_REQUEST.unpack_from(data, body)[0], lost_seqs))
        else:
            return None
    return feedback if at == size else None


def _lost(pairs: bytes) -> list[int]:
    """The numbers that a NACK lists; they wrap at 65535."""
    seqs = []
    for pid, mask in _PAIR.iter_unpack(pairs):
        seqs.append(pid)
        while mask:
            pid = (pid + 1) & 0xFFFF
            if mask & 1:
                seqs.append(pid)
            mask >>= 1
    return seqs

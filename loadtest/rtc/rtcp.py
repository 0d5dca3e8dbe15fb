"""RTCP as a light peer reads and writes it (RFC 3550 §6, RFC 4585 §6, RFC 5104 §4.3.1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from aiortc.rtp import (
    RTCP_PSFB,
    RTCP_PSFB_APP,
    RTCP_PSFB_FIR,
    RTCP_PSFB_PLI,
    RTCP_RTPFB,
    RTCP_RTPFB_NACK,
    RTCP_SR,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpSdesPacket,
    RtcpSenderInfo,
    RtcpSourceInfo,
    RtcpSrPacket,
    pack_remb_fci,
    pack_rtcp_packet,
)

NTP_EPOCH_S: Final = 2_208_988_800
"""Seconds from 1900 to 1970."""
_SDES_CNAME: Final = 1
_FEEDBACK_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class SenderReport:
    ssrc: int
    ntp: int
    rtp_timestamp: int


@dataclass(frozen=True, slots=True)
class Nack:
    media_ssrc: int
    seqs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PictureLoss:
    media_ssrc: int


@dataclass(frozen=True, slots=True)
class FullIntraRequest:
    """`number` distinguishes a new request from a repeated one (RFC 5104 §4.3.1.2)."""

    media_ssrc: int
    number: int


RtcpEvent = SenderReport | Nack | PictureLoss | FullIntraRequest


def parse_untrusted(compound: bytes) -> list[RtcpEvent]:
    """What matters to us of a compound packet; anything malformed ends it, anything else is
    skipped. (aiortc's parser reads transport-wide feedback as NACKs, and does not wrap those.)"""
    events: list[RtcpEvent] = []
    at = 0
    while at + 4 <= len(compound):
        kind = compound[at + 1]
        end = at + 4 + 4 * int.from_bytes(compound[at + 2 : at + 4], "big")
        if compound[at] >> 6 != 2 or end > len(compound):
            break
        events += _parse(kind, compound[at] & 0x1F, compound[at + 4 : end])
        at = end
    return events


def _parse(kind: int, count: int, body: bytes) -> Iterator[RtcpEvent]:
    if kind == RTCP_SR and len(body) >= 24:
        yield SenderReport(_word(body, 0), _word(body, 4) << 32 | _word(body, 8), _word(body, 12))
    elif len(body) < _FEEDBACK_BYTES:
        return
    elif kind == RTCP_RTPFB and count == RTCP_RTPFB_NACK:
        yield Nack(_word(body, 4), tuple(_nacked(body[_FEEDBACK_BYTES:])))
    elif kind == RTCP_PSFB and count == RTCP_PSFB_PLI:
        yield PictureLoss(_word(body, 4))
    elif kind == RTCP_PSFB and count == RTCP_PSFB_FIR:
        for at in range(_FEEDBACK_BYTES, len(body) - 7, 8):
            yield FullIntraRequest(_word(body, at), body[at + 4])


def _nacked(fci: bytes) -> Iterator[int]:
    """PID, then the bits of the 16 numbers after it (RFC 4585 §6.2.1)."""
    for at in range(0, len(fci) - 3, 4):
        pid = int.from_bytes(fci[at : at + 2], "big")
        bits = int.from_bytes(fci[at + 2 : at + 4], "big")
        yield pid
        yield from ((pid + 1 + bit) & 0xFFFF for bit in range(16) if bits >> bit & 1)


def _word(body: bytes, at: int) -> int:
    return int.from_bytes(body[at : at + 4], "big")


def build_nack(sender: int, media_ssrc: int, numbers: Sequence[int]) -> bytes:
    """`numbers` are extended or 16 bits wide, in ascending order (of their stream)."""
    fci = b""
    index = 0
    while index < len(numbers):
        pid, bits = numbers[index], 0
        index += 1
        while index < len(numbers) and 1 <= (ahead := (numbers[index] - pid) & 0xFFFF) <= 16:
            bits |= 1 << ahead - 1
            index += 1
        fci += (pid & 0xFFFF).to_bytes(2, "big") + bits.to_bytes(2, "big")
    head = sender.to_bytes(4, "big") + media_ssrc.to_bytes(4, "big")
    return bytes(pack_rtcp_packet(RTCP_RTPFB, RTCP_RTPFB_NACK, head + fci))


def build_pli(sender: int, media_ssrc: int) -> bytes:
    return bytes(RtcpPsfbPacket(RTCP_PSFB_PLI, sender, media_ssrc))


def build_remb(sender: int, bitrate_bps: int, ssrcs: list[int]) -> bytes:
    """draft-alvestrand-rmcat-remb-03 §2.2: the media SSRC is zero, the FCI names the streams."""
    return bytes(RtcpPsfbPacket(RTCP_PSFB_APP, sender, 0, pack_remb_fci(bitrate_bps, ssrcs)))


def build_receiver_report(sender: int, blocks: list[RtcpReceiverInfo], cname: str) -> bytes:
    """RR and SDES: what begins every full compound packet (RFC 3550 §6.1)."""
    return bytes(RtcpRrPacket(sender, blocks)) + _sdes(sender, cname)


def build_sender_report(
    ssrc: int, *, wall_s: float, rtp_timestamp: int, packets: int, octets: int, cname: str
) -> bytes:
    """SR and SDES. `wall_s` is Unix time, the moment that `rtp_timestamp` belongs to."""
    info = RtcpSenderInfo(
        ntp_timestamp=ntp(wall_s),
        rtp_timestamp=rtp_timestamp & 0xFFFFFFFF,
        packet_count=packets & 0xFFFFFFFF,
        octet_count=octets & 0xFFFFFFFF,
    )
    return bytes(RtcpSrPacket(ssrc, info)) + _sdes(ssrc, cname)


def ntp(wall_s: float) -> int:
    """64 bits: seconds since 1900, and 2**-32 of them (RFC 3550 §4)."""
    return int((wall_s + NTP_EPOCH_S) * (1 << 32)) & 0xFFFFFFFFFFFFFFFF


def _sdes(ssrc: int, cname: str) -> bytes:
    return bytes(RtcpSdesPacket([RtcpSourceInfo(ssrc, [(_SDES_CNAME, cname.encode())])]))

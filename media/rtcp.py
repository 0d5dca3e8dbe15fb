"""RTCP: reading compound packets that nobody vouches for, and writing the few that we send.

Parsing is aiortc's, held behind `parse_compound_untrusted`, with three of its edges taken off: NACK
lists do not wrap there (PID 65535 with BLP 3 reads as 65535, 65536, 65537, and writing `[65535, 0]`
raises); any transport feedback reads as a NACK; an SDES packet of several chunks fails, and the
whole compound with it. RFC 3550 §6, RFC 4585 §6, RFC 5104 §4.3.1, draft-alvestrand-rmcat-remb-03.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Final

from aiortc.rtp import (
    RTCP_BYE,
    RTCP_PSFB,
    RTCP_PSFB_APP,
    RTCP_PSFB_FIR,
    RTCP_PSFB_PLI,
    RTCP_RR,
    RTCP_RTPFB,
    RTCP_RTPFB_NACK,
    RTCP_SDES,
    RTCP_SR,
    AnyRtcpPacket,
    RtcpByePacket,
    RtcpPacket,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtcpSrPacket,
    pack_packets_lost,
    pack_remb_fci,
    pack_rtcp_packet,
    unpack_remb_fci,
)

from media.errors import RemoteProtocolError

__all__ = [
    "AnyRtcpPacket",
    "RtcpByePacket",
    "RtcpPsfbPacket",
    "RtcpReceiverInfo",
    "RtcpRrPacket",
    "RtcpRtpfbPacket",
    "RtcpSrPacket",
    "build_bye",
    "build_fir",
    "build_nack",
    "build_pli",
    "build_receiver_report",
    "build_remb",
    "build_sdes",
    "build_sender_report",
    "compact_ntp",
    "fir_ssrcs",
    "is_nack",
    "is_pli",
    "ntp24",
    "ntp64",
    "ntp_to_unix_s",
    "parse_compound_untrusted",
    "remb_bps",
]

NTP_UNIX_EPOCH_S: Final = 2_208_988_800
"""Seconds from 1900 to 1970 (RFC 5905 §6)."""

MAX_PACKETS: Final = 64
"""RTCP packets read from one datagram: a real compound has under ten."""

_SDES_CNAME: Final = 1
_REPORT = struct.Struct("!IB3sIIII")
_SENDER = struct.Struct("!IQIII")
_PAIR = struct.Struct("!HH")
_SSRCS = struct.Struct("!II")


# --- reading ------------------------------------------------------------------------------------


def parse_compound_untrusted(data: bytes) -> list[AnyRtcpPacket]:
    """The packets of one decrypted RTCP datagram; SDES and unknown types are skipped.

    Reduced-size packets (RFC 5506) are accepted. NACK lists hold 16-bit sequence numbers.
    Raises `RemoteProtocolError` for anything malformed, then nothing of the datagram is used.
    """
    packets: list[AnyRtcpPacket] = []
    position = count = 0
    while position < len(data):
        if position + 4 > len(data):
            raise RemoteProtocolError("bad_rtcp", "header truncated")
        count += 1
        if count > MAX_PACKETS:
            raise RemoteProtocolError("rtcp_too_many")
        end = position + 4 + 4 * int.from_bytes(data[position + 2 : position + 4], "big")
        if end > len(data):
            raise RemoteProtocolError("bad_rtcp", "packet truncated")
        if data[position + 1] != RTCP_SDES:
            try:
                packets += RtcpPacket.parse(data[position:end])
            except (ValueError, IndexError, struct.error) as error:
                raise RemoteProtocolError("bad_rtcp", str(error)) from error
        position = end
    for packet in packets:
        if isinstance(packet, RtcpRtpfbPacket):
            packet.lost = [seq & 0xFFFF for seq in packet.lost]
    return packets


def is_nack(packet: AnyRtcpPacket) -> bool:
    """A generic NACK; aiortc reads any other transport feedback as one too, hence this check."""
    return isinstance(packet, RtcpRtpfbPacket) and packet.fmt == RTCP_RTPFB_NACK


def is_pli(packet: AnyRtcpPacket) -> bool:
    """A picture loss indication; its `media_ssrc` names the stream."""
    return isinstance(packet, RtcpPsfbPacket) and packet.fmt == RTCP_PSFB_PLI


def fir_ssrcs(packet: AnyRtcpPacket) -> list[int]:
    """Media SSRCs of a full intra request (RFC 5104 §4.3.1.1), else []."""
    if not isinstance(packet, RtcpPsfbPacket) or packet.fmt != RTCP_PSFB_FIR:
        return []
    return [
        int.from_bytes(packet.fci[start : start + 4], "big")
        for start in range(0, len(packet.fci) - 7, 8)
    ]


def remb_bps(packet: AnyRtcpPacket) -> int | None:
    """The estimate of a REMB message in bits a second; None for anything else or malformed."""
    if not isinstance(packet, RtcpPsfbPacket) or packet.fmt != RTCP_PSFB_APP:
        return None
    try:
        bitrate, _ssrcs = unpack_remb_fci(packet.fci)
    except (ValueError, struct.error, IndexError):
        return None
    return bitrate


# --- writing ------------------------------------------------------------------------------------


def build_sender_report(
    ssrc: int,
    ntp: int,
    rtp_timestamp: int,
    packets: int,
    octets: int,
    reports: Sequence[RtcpReceiverInfo] = (),
) -> bytes:
    """RFC 3550 §6.4.1. `ntp` is 64-bit; counters are cut to 32 bits as on the wire."""
    payload = _SENDER.pack(
        ssrc, ntp, rtp_timestamp & 0xFFFFFFFF, packets & 0xFFFFFFFF, octets & 0xFFFFFFFF
    )
    return pack_rtcp_packet(RTCP_SR, len(reports), payload + _pack_reports(reports))


def build_receiver_report(sender_ssrc: int, reports: Sequence[RtcpReceiverInfo]) -> bytes:
    """RFC 3550 §6.4.2, at most 31 reports."""
    payload = sender_ssrc.to_bytes(4, "big") + _pack_reports(reports)
    return pack_rtcp_packet(RTCP_RR, len(reports), payload)


def _pack_reports(reports: Sequence[RtcpReceiverInfo]) -> bytes:
    return b"".join(
        _REPORT.pack(
            report.ssrc,
            report.fraction_lost,
            pack_packets_lost(report.packets_lost),
            report.highest_sequence & 0xFFFFFFFF,
            report.jitter,
            report.lsr,
            report.dlsr,
        )
        for report in reports
    )


def build_sdes(ssrc: int, cname: str) -> bytes:
    """The CNAME of one SSRC (RFC 3550 §6.5). One packet each: aiortc reads no second chunk."""
    text = cname.encode()[:255]
    chunk = ssrc.to_bytes(4, "big") + bytes((_SDES_CNAME, len(text))) + text
    return pack_rtcp_packet(RTCP_SDES, 1, chunk + bytes(4 - len(chunk) % 4))


def build_bye(ssrcs: Sequence[int]) -> bytes:
    """RFC 3550 §6.6, at most 31 SSRCs."""
    return pack_rtcp_packet(
        RTCP_BYE, len(ssrcs), b"".join(ssrc.to_bytes(4, "big") for ssrc in ssrcs)
    )


def build_nack(sender_ssrc: int, media_ssrc: int, seqs: Iterable[int]) -> bytes:
    """Generic NACK (RFC 4585 §6.2.1) for `seqs`, oldest first; wraps at 65535.

    Extended sequence numbers may be given, they are cut to 16 bits.
    """
    payload = _SSRCS.pack(sender_ssrc, media_ssrc)
    pid, mask = -1, 0
    for seq in seqs:
        distance = (seq - pid - 1) & 0xFFFF
        if pid >= 0 and distance < 16:
            mask |= 1 << distance
            continue
        if pid >= 0:
            payload += _PAIR.pack(pid, mask)
        pid, mask = seq & 0xFFFF, 0
    if pid >= 0:
        payload += _PAIR.pack(pid, mask)
    return pack_rtcp_packet(RTCP_RTPFB, RTCP_RTPFB_NACK, payload)


def build_pli(sender_ssrc: int, media_ssrc: int) -> bytes:
    """RFC 4585 §6.3.1."""
    return pack_rtcp_packet(RTCP_PSFB, RTCP_PSFB_PLI, _SSRCS.pack(sender_ssrc, media_ssrc))


def build_fir(sender_ssrc: int, media_ssrc: int, command: int) -> bytes:
    """RFC 5104 §4.3.1; `command` is the sequence number of the request, modulo 256."""
    entry = media_ssrc.to_bytes(4, "big") + bytes((command & 0xFF, 0, 0, 0))
    return pack_rtcp_packet(RTCP_PSFB, RTCP_PSFB_FIR, _SSRCS.pack(sender_ssrc, 0) + entry)


def build_remb(sender_ssrc: int, bitrate_bps: int, ssrcs: Sequence[int]) -> bytes:
    """Receiver estimated maximum bitrate over all of `ssrcs` together."""
    fci = pack_remb_fci(bitrate_bps, list(ssrcs))
    return pack_rtcp_packet(RTCP_PSFB, RTCP_PSFB_APP, _SSRCS.pack(sender_ssrc, 0) + fci)


# --- NTP, which stays inside RTCP and header extensions -----------------------------------------


def ntp64(wall_s: float) -> int:
    """Unix seconds to 64-bit NTP (32.32 fixed point)."""
    return int((wall_s + NTP_UNIX_EPOCH_S) * 4294967296.0) & 0xFFFFFFFFFFFFFFFF


def ntp_to_unix_s(ntp: int) -> float:
    """64-bit NTP to Unix seconds (sub-microsecond)."""
    return (ntp >> 32) - NTP_UNIX_EPOCH_S + (ntp & 0xFFFFFFFF) / 4294967296.0


def compact_ntp(ntp: int) -> int:
    """The middle 32 bits (16.16) that LSR and DLSR count in (RFC 3550 §6.4.1)."""
    return (ntp >> 16) & 0xFFFFFFFF


def ntp24(wall_s: float) -> int:
    """abs-send-time: 6.18 fixed point seconds, wrapping every 64 s."""
    return int(wall_s * 262144.0) & 0xFFFFFF

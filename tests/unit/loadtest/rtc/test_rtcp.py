"""RTCP written and read, held against aiortc's where that is right."""

from __future__ import annotations

import pytest
from aiortc.rtp import (
    RtcpByePacket,
    RtcpPacket,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtcpSdesPacket,
    RtcpSrPacket,
    unpack_remb_fci,
)
from hypothesis import given
from hypothesis import strategies as st

from loadtest.rtc.rtcp import (
    FullIntraRequest,
    Nack,
    PictureLoss,
    SenderReport,
    build_nack,
    build_pli,
    build_receiver_report,
    build_remb,
    build_sender_report,
    ntp,
    parse_untrusted,
)

STARTS = (0, 1, 127, 128, 32767, 32768, 65534, 65535)


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("offsets", [[0], [0, 1], [0, 16], [0, 17], [0, 1, 2, 40, 41, 60]])
def test_nacks_wrap(start: int, offsets: list[int]) -> None:
    numbers = [start + offset for offset in offsets]
    (nack,) = parse_untrusted(build_nack(1, 2, numbers))
    assert nack == Nack(2, tuple(number & 0xFFFF for number in numbers))


def test_a_nack_is_what_aiortc_reads() -> None:
    (packet,) = RtcpPacket.parse(build_nack(1, 2, [10, 11, 26, 27]))
    assert packet == RtcpRtpfbPacket(fmt=1, ssrc=1, media_ssrc=2, lost=[10, 11, 26, 27])
    assert len(build_nack(1, 2, [10, 11, 26])) == 16


def test_transport_wide_feedback_is_no_nack() -> None:
    assert parse_untrusted(bytes(RtcpRtpfbPacket(15, 1, 2, [3]))) == []


def test_pli_fir_and_remb() -> None:
    fir = RtcpPsfbPacket(
        4, 1, 0, b"\x00\x00\x00\x05\x07\x00\x00\x00\x00\x00\x00\x06\x08\x00\x00\x00"
    )
    compound = build_pli(1, 2) + bytes(fir) + build_remb(1, 1_000_000, [3])
    assert parse_untrusted(compound) == [
        PictureLoss(2),
        FullIntraRequest(5, 7),
        FullIntraRequest(6, 8),
    ]
    remb = RtcpPacket.parse(compound)[2]
    assert isinstance(remb, RtcpPsfbPacket)
    assert remb.media_ssrc == 0
    assert unpack_remb_fci(remb.fci) == (1_000_000, [3])


def test_a_receiver_report_is_a_full_compound_packet() -> None:
    block = RtcpReceiverInfo(5, 10, -3, 70_000, 8, 9, 10)
    report, names = RtcpPacket.parse(build_receiver_report(1, [block], "me"))
    assert report == RtcpRrPacket(1, [block])
    assert isinstance(names, RtcpSdesPacket)
    assert names.chunks[0].items == [(1, b"me")]


def test_a_sender_report_holds_both_clocks() -> None:
    data = build_sender_report(
        9, wall_s=1.5, rtp_timestamp=2**32 + 4, packets=2**32 + 1, octets=100, cname="me"
    )
    report = RtcpPacket.parse(data)[0]
    assert isinstance(report, RtcpSrPacket)
    info = report.sender_info
    assert info.ntp_timestamp == (2_208_988_801 << 32) + (1 << 31) == ntp(1.5)
    assert (info.rtp_timestamp, info.packet_count, info.octet_count) == (4, 1, 100)
    assert parse_untrusted(data) == [SenderReport(9, ntp(1.5), 4)]


def test_what_is_not_ours_is_skipped() -> None:
    compound = bytes(RtcpByePacket([1])) + build_pli(1, 2)
    assert parse_untrusted(compound) == [PictureLoss(2)]


def test_cut_packets_end_the_reading() -> None:
    compound = build_pli(1, 2) + build_nack(1, 2, [3])
    for length in range(len(compound)):
        assert parse_untrusted(compound[:length]) == ([PictureLoss(2)] if length >= 12 else [])


@given(st.binary(max_size=200))
def test_any_bytes_are_read_without_an_error(data: bytes) -> None:
    assert len(parse_untrusted(data)) <= 17 * len(data)

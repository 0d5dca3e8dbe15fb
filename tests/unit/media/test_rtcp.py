"""RTCP read and written: NACK lists that wrap, compounds, reports, estimates."""

from __future__ import annotations

import pytest

from media.errors import RemoteProtocolError
from media.rtcp import (
    MAX_PACKETS,
    RtcpByePacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtcpSrPacket,
    build_bye,
    build_fir,
    build_nack,
    build_pli,
    build_receiver_report,
    build_remb,
    build_sdes,
    build_sender_report,
    compact_ntp,
    fir_ssrcs,
    is_nack,
    is_pli,
    ntp24,
    ntp64,
    ntp_to_unix_s,
    parse_compound_untrusted,
    remb_bps,
)

REPORT = RtcpReceiverInfo(
    ssrc=2, fraction_lost=64, packets_lost=-3, highest_sequence=70_000, jitter=9, lsr=10, dlsr=11
)


@pytest.mark.parametrize(
    "seqs",
    [
        [0],
        [65_535],
        [65_535, 0],
        [65_535, 0, 1],
        [65_530, 65_535, 3, 10],
        [1, 2, 3, 17, 18, 19],
        [32_767, 32_768],
        [127, 128, 5000, 60_000],
        list(range(65_500, 65_536)) + list(range(40)),
    ],
)
def test_nack_lists_survive_the_wrap(seqs: list[int]) -> None:
    (packet,) = parse_compound_untrusted(build_nack(1, 2, seqs))
    assert isinstance(packet, RtcpRtpfbPacket)
    assert is_nack(packet)
    assert (packet.ssrc, packet.media_ssrc) == (1, 2)
    assert packet.lost == seqs


def test_nack_of_extended_numbers_and_of_nothing() -> None:
    (packet,) = parse_compound_untrusted(build_nack(1, 2, [65_536 * 3 + 5, 65_536 * 3 + 6]))
    assert isinstance(packet, RtcpRtpfbPacket)
    assert packet.lost == [5, 6]
    (empty,) = parse_compound_untrusted(build_nack(1, 2, []))
    assert isinstance(empty, RtcpRtpfbPacket)
    assert empty.lost == []


def test_a_nack_with_a_wrapping_bit_mask_from_the_wire() -> None:
    """PID 65535 and BLP 3, which the library reads as 65535, 65536, 65537."""
    data = bytes.fromhex("81cd00030000000100000002ffff0003")
    (packet,) = parse_compound_untrusted(data)
    assert isinstance(packet, RtcpRtpfbPacket)
    assert packet.lost == [65_535, 0, 1]


def test_transport_feedback_is_no_nack() -> None:
    data = bytes.fromhex("8fcd0003000000010000000200010002")
    assert not is_nack(parse_compound_untrusted(data)[0])


def test_picture_loss_and_intra_requests() -> None:
    pli, fir = parse_compound_untrusted(build_pli(1, 2) + build_fir(1, 0xFFFFFFF0, 300))
    assert is_pli(pli)
    assert not is_pli(fir)
    assert fir_ssrcs(fir) == [0xFFFFFFF0]
    assert fir_ssrcs(pli) == []


@pytest.mark.parametrize("bitrate", [0, 1, 262_143, 262_144, 2_500_000, 10**9])
def test_estimates(bitrate: int) -> None:
    (packet,) = parse_compound_untrusted(build_remb(1, bitrate, [2, 3]))
    estimate = remb_bps(packet)
    assert estimate is not None
    assert bitrate - (bitrate >> 17) <= estimate <= bitrate
    assert remb_bps(parse_compound_untrusted(build_pli(1, 2))[0]) is None


@pytest.mark.parametrize("fci", [b"", b"REM", b"NONE\x00\x00\x00\x00", b"REMB\x09\x00\x00\x00"])
def test_malformed_estimates_are_none(fci: bytes) -> None:
    fci += bytes(-len(fci) % 4)
    data = b"\x8f\xce" + (2 + len(fci) // 4).to_bytes(2, "big") + bytes(8) + fci
    assert remb_bps(parse_compound_untrusted(data)[0]) is None


def test_a_whole_compound() -> None:
    data = (
        build_sender_report(1, 0x0102030405060708, 2**32 + 5, 2**32 + 6, 7, [REPORT])
        + build_receiver_report(3, [REPORT])
        + build_sdes(1, "seat-0")
        + build_sdes(2, "座位")
        + build_bye([1, 2])
    )
    sr, rr, bye = parse_compound_untrusted(data)
    assert isinstance(sr, RtcpSrPacket)
    assert sr.sender_info.ntp_timestamp == 0x0102030405060708
    assert sr.sender_info.rtp_timestamp == 5
    assert (sr.sender_info.packet_count, sr.sender_info.octet_count) == (6, 7)
    assert sr.reports == [REPORT]
    assert isinstance(rr, RtcpRrPacket)
    assert rr.reports == [REPORT]
    assert isinstance(bye, RtcpByePacket)
    assert bye.sources == [1, 2]


@pytest.mark.parametrize("length", range(9))
def test_cnames_are_padded(length: int) -> None:
    """The chunk ends with at least one null and on a word boundary (RFC 3550 §6.5)."""
    data = build_sdes(1, "x" * length)
    assert len(data) % 4 == 0
    assert data[-1] == 0
    assert int.from_bytes(data[2:4], "big") == len(data) // 4 - 1
    assert data[8:10] == bytes((1, length))
    assert data[10 : 10 + length] == b"x" * length


@pytest.mark.parametrize(
    "data",
    [
        b"\x00",
        b"\x40\xc8\x00\x00",
        b"\x80\xc8\x00\x09",
        b"\x80\xc8\x00\x01" + bytes(4),
        b"\xa0\xc9\x00\x01" + bytes(4),
        b"\x81\xcd\x00\x01" + bytes(4),
        b"\x81\xcb\x00\x00",
        b"\x80\xca\x00\x00\x80",
        b"\x80\xca\x00\x02",
        b"\x81\xca\x00\x01" + bytes(4) + b"\x80",
    ],
)
def test_malformed_compounds(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_compound_untrusted(data)


def test_too_many_packets_in_one_datagram() -> None:
    with pytest.raises(RemoteProtocolError):
        parse_compound_untrusted(build_bye([]) * (MAX_PACKETS + 1))


def test_descriptions_of_several_sources_do_not_spoil_the_compound() -> None:
    """Legal (RFC 3550 §6.5), and more than the library can read."""
    chunks = bytes.fromhex("00000001010161000000000201016200")
    data = b"\x82\xca\x00\x04" + chunks
    (packet,) = parse_compound_untrusted(data + build_pli(1, 2))
    assert is_pli(packet)


def test_unknown_types_are_skipped() -> None:
    extended_report = b"\x80\xcf\x00\x01" + bytes(4)
    assert len(parse_compound_untrusted(extended_report + build_pli(1, 2))) == 1


def test_ntp_there_and_back() -> None:
    wall_s = 1_790_000_000.125
    assert abs(ntp_to_unix_s(ntp64(wall_s)) - wall_s) < 1e-6
    assert compact_ntp(0x0102030405060708) == 0x03040506
    assert ntp24(64.0) == 0
    assert ntp24(63.5) == int(63.5 * 2**18)

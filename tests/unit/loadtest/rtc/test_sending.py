"""What a sending peer keeps: reports and retransmissions."""

from __future__ import annotations

import pytest
from aiortc.rtp import RtcpPacket, RtcpSrPacket, RtpPacket, unwrap_rtx

from loadtest.rtc.header_extension import pack_extensions
from loadtest.rtc.sending import KEPT_PACKETS, Sending, SentStream

VIDEO, RTX, AUDIO = 20, 21, 10
STARTS = (0, 1, 127, 128, 32767, 32768, 65534, 65535)


def stream(*, rtx: bool = True, extension: bytes | None = None, rtx_seq: int = 0) -> SentStream:
    return SentStream(
        VIDEO,
        90_000,
        keeps=True,
        rtx_ssrc=RTX if rtx else None,
        rtx_payload_type=97 if rtx else None,
        rtx_extension=extension,
        rtx_seq=rtx_seq,
    )


def packet(
    seq: int, payload: bytes = b"payload", *, extension: bytes = b"", ssrc: int = VIDEO
) -> bytes:
    first = 0x90 if extension else 0x80
    head = bytes([first, 0x80 | 96]) + (seq & 0xFFFF).to_bytes(2, "big")
    return head + (1000 + seq).to_bytes(4, "big") + ssrc.to_bytes(4, "big") + extension + payload


@pytest.mark.parametrize("start", STARTS)
def test_a_retransmission_is_what_the_receiver_unwraps(start: int) -> None:
    sending = Sending([stream(rtx_seq=start)])
    for offset in range(3):
        sending.note(packet(start + offset), b"protected", 1.0)
    wanted = tuple((start + offset) & 0xFFFF for offset in (0, 2, 3))
    plain, datagrams = sending.resend(VIDEO, wanted)
    assert datagrams == []
    assert len(plain) == 2, "the last was never sent"
    for index, (each, seq) in enumerate(zip(plain, wanted, strict=False)):
        rtx = RtpPacket.parse(each)
        assert (rtx.ssrc, rtx.payload_type, rtx.marker) == (RTX, 97, 1)
        assert rtx.sequence_number == (start + index) & 0xFFFF
        original = unwrap_rtx(rtx, 96, VIDEO)
        assert (original.sequence_number, original.payload) == (seq, b"payload")


def test_a_layer_repeats_under_its_repaired_rid() -> None:
    block = pack_extensions([(6, b"h")])
    sending = Sending([stream(extension=block)])
    sending.note(packet(5, extension=pack_extensions([(4, b"1"), (5, b"h")])), b"", 1.0)
    (plain,), _ = sending.resend(VIDEO, (5,))
    assert plain[12 : 12 + len(block)] == block
    assert RtpPacket.parse(plain).payload == b"\x00\x05payload"


def test_without_rtx_the_same_datagram_goes_again() -> None:
    sending = Sending([stream(rtx=False)])
    datagram = packet(7) + b"tag"
    sending.note(packet(7), datagram, 1.0)
    assert sending.resend(VIDEO, (7, 8)) == ([], [datagram])


def test_only_the_newest_are_kept() -> None:
    sending = Sending([stream()])
    for seq in range(KEPT_PACKETS + 10):
        sending.note(packet(seq), b"", 1.0)
    assert len(sending.streams[VIDEO].ring) == KEPT_PACKETS
    assert sending.resend(VIDEO, (9,)) == ([], [])
    assert len(sending.resend(VIDEO, (10,))[0]) == 1


def test_foreign_streams_are_nothing() -> None:
    sending = Sending([stream()])
    sending.note(packet(1, ssrc=99), b"", 1.0)
    assert sending.resend(99, (1,)) == ([], [])
    assert sending.reports(1.0, 0.0) == []


def test_a_sender_report_speaks_of_this_moment() -> None:
    sending = Sending([stream(), SentStream(AUDIO, 48_000, keeps=False)])
    sending.note(packet(0), b"", 10.0)
    sending.note(packet(3000, b"longer payload"), b"", 11.0)
    (data,) = sending.reports(11.5, 1_000_000.25)
    report = RtcpPacket.parse(data)[0]
    assert isinstance(report, RtcpSrPacket)
    assert report.ssrc == VIDEO
    info = report.sender_info
    assert info.rtp_timestamp == 4000 + 45_000
    assert info.ntp_timestamp == ((1_000_000 + 2_208_988_800) << 32) + (1 << 30)
    assert (info.packet_count, info.octet_count) == (2, len(b"payload" + b"longer payload"))


def test_a_repeated_fir_is_one_request() -> None:
    sending = Sending([stream()])
    asked = [sending.is_new_request(VIDEO, number) for number in (7, 7, 8, 8, 7)]
    assert asked == [True, False, True, False, True]
    assert not sending.is_new_request(99, 1)

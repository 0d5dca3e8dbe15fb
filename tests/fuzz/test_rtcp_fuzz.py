"""Invariant: any bytes are read as RTCP or raise `RemoteProtocolError`; NACK lists stay 16 bits.
What a viewer's datagram says is the same whether it is read in one pass or packet by packet."""

from __future__ import annotations

import struct

from hypothesis import given, settings
from hypothesis import strategies as st

from media import rtcp
from media.errors import RemoteProtocolError
from media.feedback import Feedback, feedback_of, read_feedback_untrusted


def framed(kind: int, count: int, body: bytes, padding: bool) -> bytes:
    body += bytes(-len(body) % 4)
    head = 0x80 | (0x20 if padding else 0) | count
    return struct.pack("!BBH", head, kind, len(body) // 4) + body


one = st.builds(
    framed, st.integers(200, 207), st.integers(0, 31), st.binary(max_size=80), st.booleans()
)
datagrams = st.one_of(
    st.binary(max_size=120),
    one,
    st.lists(one, max_size=4).map(b"".join),
    st.tuples(one, st.binary(max_size=6)).map(b"".join),
)


@settings(max_examples=150, deadline=None)
@given(datagrams)
def test_any_bytes_parse_or_are_refused(data: bytes) -> None:
    try:
        packets = rtcp.parse_compound_untrusted(data)
    except RemoteProtocolError:
        return
    assert len(packets) <= rtcp.MAX_PACKETS
    for packet in packets:
        rtcp.is_pli(packet)
        rtcp.remb_bps(packet)
        assert all(0 <= ssrc <= 0xFFFFFFFF for ssrc in rtcp.fir_ssrcs(packet))
        if isinstance(packet, rtcp.RtcpRtpfbPacket):
            assert all(0 <= seq <= 0xFFFF for seq in packet.lost)


@settings(max_examples=150, deadline=None)
@given(st.sets(st.integers(0, 400), max_size=60), st.integers(0, 65_535))
def test_nack_lists_come_back_whatever_they_hold(offsets: set[int], start: int) -> None:
    seqs = [(start + offset) & 0xFFFF for offset in sorted(offsets)]
    (packet,) = rtcp.parse_compound_untrusted(rtcp.build_nack(1, 2, seqs))
    assert isinstance(packet, rtcp.RtcpRtpfbPacket)
    assert packet.lost == seqs


def browser_packet(kind: int, ssrcs: list[int], number: int, extra: bytes) -> bytes:
    """One of the layouts that browsers send, or nearly."""
    match kind:
        case 0:
            report = struct.pack("!IIIIII", *(number >> shift & 0xFFFFFFFF for shift in range(6)))
            return (
                rtcp.build_receiver_report(1, [])
                if not ssrcs
                else framed(201, len(ssrcs), struct.pack("!I", 1) + report * len(ssrcs), False)
            )
        case 1:
            return rtcp.build_remb(1, number % 2**40, ssrcs)
        case 2:
            return rtcp.build_nack(1, ssrcs[0] if ssrcs else 2, [ssrc & 0xFFFF for ssrc in ssrcs])
        case 3:
            return rtcp.build_pli(1, number & 0xFFFFFFFF)
        case 4:
            return rtcp.build_sdes(1, extra.hex())
        case _:
            return framed(206, 15, struct.pack("!II", 1, 0) + b"REMB" + extra, False)


from_browsers = st.builds(
    browser_packet,
    st.integers(0, 5),
    st.lists(st.integers(0, 0xFFFFFFFF), max_size=5),
    st.integers(0, 2**64 - 1),
    st.binary(max_size=24),
)
compounds = st.lists(st.one_of(from_browsers, from_browsers, one), max_size=5).map(b"".join)


def said(feedback: Feedback) -> tuple[object, ...]:
    return feedback.reports, feedback.estimate_bps, feedback.nacks, feedback.wanted


def oracle(data: bytes) -> tuple[object, ...] | str:
    try:
        return said(feedback_of(rtcp.parse_compound_untrusted(data)))
    except RemoteProtocolError as error:
        return error.reason


def read(data: bytes) -> tuple[object, ...] | str:
    try:
        return said(read_feedback_untrusted(data))
    except RemoteProtocolError as error:
        return error.reason


@settings(max_examples=300, deadline=None)
@given(st.one_of(compounds, datagrams), st.integers(0, 400), st.integers(0, 255), st.integers(0, 9))
def test_feedback_means_what_the_parsed_packets_mean(
    data: bytes, index: int, byte: int, cut: int
) -> None:
    assert read(data) == oracle(data)
    changed = bytearray(data)
    if index < len(changed):
        changed[index] = byte
    assert read(bytes(changed)) == oracle(bytes(changed))
    assert read(data[: len(data) - cut]) == oracle(data[: len(data) - cut])

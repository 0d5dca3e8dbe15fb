"""Invariant: any bytes are read as RTCP or raise `RemoteProtocolError`; NACK lists stay 16 bits."""

from __future__ import annotations

import struct

from hypothesis import given, settings
from hypothesis import strategies as st

from media import rtcp
from media.errors import RemoteProtocolError


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

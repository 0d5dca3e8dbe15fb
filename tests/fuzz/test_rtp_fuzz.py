"""Invariant: any bytes are read as RTP or raise `RemoteProtocolError`, and memory stays bounded.

Holds for the parsers and for a whole `SourceTrack`, which also must keep working afterwards.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.errors import RemoteProtocolError
from media.media_clock import PublisherClock
from media.ring import VIDEO_RING
from media.rtp import (
    ExtensionReader,
    parse_rtp_untrusted,
    peek_ssrc_untrusted,
    read_extensions_untrusted,
)
from media.source_track import SourceOptions, SourceTrack
from media.stream_id import MAX_RID_BYTES, read_stream_id_untrusted
from media.twcc import peek_transport_seq_untrusted
from tests.support.rtp_kit import rtp_bytes, vp8_payload

packets = st.one_of(
    st.binary(max_size=64),
    st.binary(max_size=64).map(lambda tail: b"\x90" + tail),
    st.binary(max_size=40).map(lambda tail: b"\x90\x60" + bytes(10) + b"\xbe\xde\x00\x03" + tail),
    st.binary(max_size=40).map(lambda tail: b"\xb1\x60" + bytes(14) + b"\x10\x00\x00\x03" + tail),
    st.builds(
        rtp_bytes,
        st.integers(0, 65_535),
        st.integers(0, 0xFFFFFFFF),
        ssrc=st.sampled_from([1, 2, 3]),
        payload_type=st.sampled_from([96, 97, 13]),
        payload=st.one_of(
            st.binary(max_size=24),
            st.builds(vp8_payload, keyframe=st.booleans(), picture_id=st.integers(0, 0x7FFF)),
        ),
        marker=st.booleans(),
        extensions=st.one_of(
            st.none(),
            st.dictionaries(st.integers(1, 14), st.binary(min_size=1, max_size=16), max_size=4),
        ),
        padding=st.integers(0, 9),
    ),
)


@settings(max_examples=150, deadline=None)
@given(packets)
def test_any_bytes_parse_or_are_refused(data: bytes) -> None:
    assert -1 <= peek_transport_seq_untrusted(data, 1) <= 0xFFFF
    try:
        peek_ssrc_untrusted(data)
        header = parse_rtp_untrusted(data)
        assert 12 <= header.payload_start <= header.payload_end <= len(data)
        read_extensions_untrusted(data, header)
        ExtensionReader({"urn:ietf:params:rtp-hdrext:sdes:mid": 1}).read_untrusted(data, header)
    except RemoteProtocolError:
        return


@settings(max_examples=500, deadline=None)
@given(packets, st.integers(0, 255), st.integers(0, 255))
def test_any_bytes_name_an_encoding_or_none(data: bytes, rid_id: int, repaired_id: int) -> None:
    try:
        named = read_stream_id_untrusted(data, rid_id, repaired_id)
    except RemoteProtocolError:
        return
    assert named.rid.isascii()
    assert len(named.rid) <= MAX_RID_BYTES


@pytest.mark.parametrize("codec", ["vp8", "h264", "vp9", "av1", "opus"])
@settings(max_examples=40, deadline=None)
@given(st.lists(packets, max_size=40), st.integers(0, 3))
def test_a_track_survives_anything(codec: str, received: list[bytes], step_bits: int) -> None:
    track = SourceTrack(
        SourceOptions(
            source_id=1,
            kind="audio" if codec == "opus" else "video",
            codec=codec,
            clock_rate=90_000,
            payload_type=96,
            rtx_payload_type=97,
            ssrc=1,
            rtx_ssrc=2,
            local_ssrc=9,
            cname="server",
            wall_offset_s=0.0,
        ),
        PublisherClock(),
    )
    numbers: set[int] = set()
    now = 0.0
    for data in received:
        now += 0.01 * (1 << step_bits)
        try:
            packet = track.receive(data, now)
        except RemoteProtocolError:
            continue
        if packet is not None:
            assert packet.ext_seq not in numbers, "a packet came out twice"
            numbers.add(packet.ext_seq)
        track.poll_rtcp(now)
        deadline = track.next_deadline()
        assert deadline is None or deadline > now - 1
    assert len(track.ring) <= VIDEO_RING.max_packets

"""Which encoding a packet names."""

from __future__ import annotations

import pytest

from media.errors import RemoteProtocolError
from media.stream_id import NO_STREAM_ID, StreamId, read_stream_id_untrusted
from tests.support.rtp_kit import rtp_bytes

RID, REPAIRED = 6, 7


def read(data: bytes) -> StreamId:
    return read_stream_id_untrusted(data, RID, REPAIRED)


@pytest.mark.parametrize("two_byte", [False, True])
def test_media_names_its_encoding_and_a_repair_the_one_it_repairs(two_byte: bool) -> None:
    media = rtp_bytes(1, extensions={1: b"0", RID: b"q"}, two_byte=two_byte)
    assert read(media) == StreamId("q", is_repair=False)
    repair = rtp_bytes(1, extensions={REPAIRED: b"low"}, two_byte=two_byte)
    assert read(repair) == StreamId("low", is_repair=True)


def test_a_packet_with_both_repairs() -> None:
    both = rtp_bytes(1, extensions={RID: b"q", REPAIRED: b"f"})
    assert read(both) == StreamId("f", is_repair=True)


@pytest.mark.parametrize("value", [b"x" * 17, b"\xff", b"caf\xc3\xa9"])
def test_what_cannot_be_a_rid_is_none(value: bytes) -> None:
    assert read(rtp_bytes(1, extensions={RID: value}, two_byte=True)) == NO_STREAM_ID


def test_packets_may_name_nothing() -> None:
    assert read(rtp_bytes(1)) == NO_STREAM_ID
    assert read(rtp_bytes(1, extensions={1: b"q"})) == NO_STREAM_ID
    named = rtp_bytes(1, extensions={RID: b"q"})
    assert read_stream_id_untrusted(named, 0, 0) == NO_STREAM_ID


def test_a_packet_cut_anywhere_is_refused_or_names_nothing_else() -> None:
    whole = rtp_bytes(1, extensions={RID: b"q", REPAIRED: b"f"}, payload=b"")
    for end in range(len(whole)):
        with pytest.raises(RemoteProtocolError):
            read(whole[:end])

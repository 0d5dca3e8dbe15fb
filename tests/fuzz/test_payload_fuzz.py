"""Invariant: any payload of any codec is inspected or raises `RemoteProtocolError`.

A VP8 descriptor that was read can be renumbered, and reads back with the same frame behind it.
A RED payload that was read holds its blocks, and reads back alike under any other payload type.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.errors import RemoteProtocolError
from media.payload import inspect_untrusted
from media.payload.opus import MAX_TICKS, duration_ticks
from media.payload.red import parse_red_untrusted, primary, retype
from media.payload.vp8 import parse_descriptor_untrusted, renumber
from tests.support.rtp_kit import red_payload


@pytest.mark.parametrize("codec", ["vp8", "h264", "vp9", "av1", "opus", ""])
@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=40))
def test_any_payload_is_inspected_or_refused(codec: str, payload: bytes) -> None:
    try:
        inspect_untrusted(codec, payload)
    except RemoteProtocolError:
        assert codec == "vp8"


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=12))
def test_any_opus_packet_has_a_length(payload: bytes) -> None:
    assert 0 <= duration_ticks(payload) <= MAX_TICKS


@settings(max_examples=150, deadline=None)
@given(st.binary(min_size=1, max_size=20), st.integers(0, 0x7FFF), st.integers(0, 255))
def test_any_vp8_descriptor_renumbers(payload: bytes, shift: int, small: int) -> None:
    try:
        before = parse_descriptor_untrusted(payload)
    except RemoteProtocolError:
        return
    moved = renumber(payload, before, shift, small, small & 31)
    after = parse_descriptor_untrusted(moved)
    assert moved[after.size_bytes :] == payload[before.size_bytes :]
    assert after.is_keyframe_start == before.is_keyframe_start
    assert after.tid == before.tid
    if before.picture_id >= 0:
        assert after.picture_id == (before.picture_id + shift) & 0x7FFF
    if before.tl0picidx >= 0:
        assert after.tl0picidx == (before.tl0picidx + small) & 0xFF
    if before.keyidx >= 0:
        assert after.keyidx == (before.keyidx + small) & 0x1F


# Bytes that look like RED of payload type 111, and any others.
red_bytes = st.one_of(
    st.binary(max_size=40),
    st.lists(st.sampled_from([b"\xef", b"\x6f", b"\x00", b"\x03\xff", b"\x01"])).map(b"".join),
)
older_blocks = st.lists(st.tuples(st.integers(0, 0x3FFF), st.binary(max_size=12)), max_size=9)


@settings(max_examples=300, deadline=None)
@given(red_bytes, st.integers(0, 127))
def test_any_red_is_read_or_refused(payload: bytes, other: int) -> None:
    try:
        layout = parse_red_untrusted(payload, 111)
    except RemoteProtocolError:
        return
    assert 4 * layout.redundant < layout.primary_start <= len(payload)
    moved = retype(payload, layout, other)
    after = parse_red_untrusted(moved, other)
    assert (after.redundant, after.primary_start) == (layout.redundant, layout.primary_start)
    assert primary(moved, after) == primary(payload, layout)
    assert retype(moved, after, 111) == payload


@settings(max_examples=150, deadline=None)
@given(older_blocks, st.binary(max_size=20), st.integers(0, 127))
def test_any_structure_of_red_is_read(
    older: list[tuple[int, bytes]], newest: bytes, other: int
) -> None:
    payload = red_payload(newest, older)
    layout = parse_red_untrusted(payload, 111)
    assert layout.redundant == len(older)
    assert primary(payload, layout) == newest
    assert retype(payload, layout, other) == red_payload(newest, older, payload_type=other)


@settings(max_examples=150, deadline=None)
@given(older_blocks, st.data())
def test_a_red_block_longer_than_the_packet_is_refused(
    older: list[tuple[int, bytes]], data: st.DataObject
) -> None:
    payload = red_payload(b"", older)
    cut = data.draw(st.integers(0, len(payload) - 1))
    with pytest.raises(RemoteProtocolError):
        parse_red_untrusted(payload[:cut], 111)

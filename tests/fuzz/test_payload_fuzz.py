"""Invariant: any payload of any codec is inspected or raises `RemoteProtocolError`.

A VP8 descriptor that was read can be renumbered, and reads back with the same frame behind it.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.errors import RemoteProtocolError
from media.payload import inspect_untrusted
from media.payload.opus import MAX_TICKS, duration_ticks
from media.payload.vp8 import parse_descriptor_untrusted, renumber


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

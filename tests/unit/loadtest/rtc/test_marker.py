from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loadtest.rtc.marker import MARK_BYTES, find_mark, mark


@given(st.integers(0, 2**64 - 1), st.binary(max_size=40), st.binary(max_size=40))
def test_a_mark_is_found_where_it_was_put(sent_ns: int, before: bytes, after: bytes) -> None:
    assert find_mark(before + mark(sent_ns) + after) == sent_ns


@given(st.integers(0, 2**64 - 1))
def test_a_mark_needs_no_emulation_prevention(sent_ns: int) -> None:
    assert 0 not in mark(sent_ns)
    assert len(mark(sent_ns)) == MARK_BYTES


@given(st.integers(0, 2**64 - 1), st.integers(0, MARK_BYTES - 1))
def test_half_a_mark_is_none(sent_ns: int, kept: int) -> None:
    assert find_mark(mark(sent_ns)[:kept]) is None

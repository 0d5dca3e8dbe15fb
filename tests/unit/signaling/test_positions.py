from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.errors import Refusal
from signaling.positions import (
    Position,
    format_stream_id,
    parse_position_untrusted,
    parse_stream_id,
)


def test_a_position_comes_back_as_it_was_told() -> None:
    position = Position("Ab-_9", (1795312924116, 3))
    assert parse_position_untrusted(position.wire()) == position
    assert (
        parse_stream_id(b"1795312924116-3")
        == parse_stream_id("1795312924116-3")
        == (
            1795312924116,
            3,
        )
    )
    assert format_stream_id((5, 0)) == "5-0"


@pytest.mark.parametrize(
    "text",
    ["", ".", "e", "e.", "e.1", "e.1-", "e.-1", "e.1-1-1", "e.a-1", f"e.1-{'9' * 20}", "e.١-1"],
)
def test_what_we_never_made_is_refused(text: str) -> None:
    with pytest.raises(Refusal):
        parse_position_untrusted(text)


@given(st.text(max_size=64))
def test_any_text_is_a_position_or_refused(text: str) -> None:
    try:
        position = parse_position_untrusted(text)
    except Refusal:
        return
    assert max(position.stream_id) < 2**64

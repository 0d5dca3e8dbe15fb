from __future__ import annotations

from loadtest.danmaku import sample


def test_the_sample_is_in_order_and_has_both_kinds() -> None:
    lines = sample()
    assert len(lines) > 20
    assert [line.offset_ms for line in lines] == sorted(line.offset_ms for line in lines)
    assert {line.is_question for line in lines} == {True, False}
    assert all(line.text.strip() == line.text != "" for line in lines)
    assert all(line.user for line in lines)

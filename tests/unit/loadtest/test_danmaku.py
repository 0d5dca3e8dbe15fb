from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.danmaku import (
    MAX_FILE_BYTES,
    MAX_LINES,
    MAX_TEXT_CHARS,
    DanmakuError,
    Line,
    parse_lines,
    read_lines,
    sample,
)


def test_the_sample_is_in_order_and_has_both_kinds() -> None:
    lines = sample()
    assert len(lines) > 20
    assert [line.offset_ms for line in lines] == sorted(line.offset_ms for line in lines)
    assert {line.is_question for line in lines} == {True, False}
    assert all(line.text.strip() == line.text != "" for line in lines)
    assert all(line.user for line in lines)


def test_plain_text_is_one_line_each_and_questions_are_known_by_their_end() -> None:
    lines = parse_lines("晚上好\r\n\n 这个适合油皮吗 \nhow much?\n多少钱\uff1f\n", "said.txt")
    assert lines == [
        Line(0, "", "晚上好", False),
        Line(1000, "", "这个适合油皮吗", True),
        Line(2000, "", "how much?", True),
        Line(3000, "", "多少钱\uff1f", True),
    ]


def test_json_lines_need_a_text_and_may_say_more() -> None:
    rows = [
        {"text": " hi "},
        {"text": "how much", "is_question": True, "user_id": "u7", "offset_ms": 50, "kind": "x"},
        {"text": "why?"},
    ]
    assert parse_lines("\n".join(map(json.dumps, rows)), "said.jsonl") == [
        Line(0, "", "hi", False),
        Line(50, "u7", "how much", True),
        Line(2000, "", "why?", True),
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "said: has no lines"),
        ("\n \n", "said: has no lines"),
        ('{"text": "hi"}\nhi', "said, line 2: is no JSON"),
        ('{"text": "hi"}\n[1]', "said, line 2: must be a JSON object"),
        ('{"text": "hi"}\n\n{"text": " "}', "said, line 3: needs a `text`"),
        ('{"text": 3}', "said, line 1: needs a `text`"),
        ('{"text": "a", "offset_ms": -1}', "said, line 1: `offset_ms` must be a whole number"),
        ('{"text": "a", "offset_ms": true}', "said, line 1: `offset_ms` must be a whole number"),
        ('{"text": "a", "is_question": 1}', "said, line 1: `is_question` must be true or false"),
        ('{"text": "\\ud800"}', "said, line 1: has half a surrogate pair"),
        ('{"text": ' + "[" * 100_000, "said, line 1: is no JSON"),
        ("a" * (MAX_TEXT_CHARS + 1), f"said, line 1: is longer than {MAX_TEXT_CHARS} characters"),
        ("a\n" * (MAX_LINES + 1), f"said: has {MAX_LINES + 1} lines; at most {MAX_LINES}"),
    ],
)
def test_a_mistake_is_one_line_that_names_its_place(content: str, problem: str) -> None:
    with pytest.raises(DanmakuError) as caught:
        parse_lines(content, "said")
    assert str(caught.value).startswith(problem)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=300))
def test_any_text_is_lines_or_one_error(content: str) -> None:
    lines: list[Line] = []
    with contextlib.suppress(DanmakuError):
        lines = parse_lines(content, "said")
        assert lines
    assert all(line.text.encode() for line in lines)


def test_a_file_is_read_whole_and_within_limits(tmp_path: Path) -> None:
    path = tmp_path / "said.txt"
    path.write_text("\ufeffhi\n", "utf-8")
    assert read_lines(path) == [Line(0, "", "hi", False)]
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(DanmakuError, match="is not UTF-8"):
        read_lines(path)
    path.write_bytes(b"\n" * (MAX_FILE_BYTES + 1))
    with pytest.raises(DanmakuError, match="longer than"):
        read_lines(path)
    with pytest.raises(DanmakuError, match=r"nowhere: cannot be read: No such file"):
        read_lines(tmp_path / "nowhere")

"""Labelled messages: both forms are read, every bad line is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.asking.labelled import Labelled, parse_labelled, read_labelled
from server.errors import UsageError, UserError


def test_both_forms_are_read() -> None:
    content = (
        '{"text": "多少钱", "label": "question", "kind": "price", "hard": true}\n\n'
        '{"text": "好看", "is_question": false}\n'
    )
    assert parse_labelled(content, "f") == [
        Labelled(1, "多少钱", True, "price", True),
        Labelled(3, "好看", False, "", False),
    ]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("x", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("[]", "must be an object"),
        ("{}", "`text`"),
        ('{"text": 1, "label": "other"}', "`text`"),
        ('{"text": "a"}', "needs `label`"),
        ('{"text": "a", "label": "maybe"}', "`label`"),
        ('{"text": "a", "is_question": 1}', "needs `label`"),
    ],
)
def test_bad_lines_are_named(row: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_labelled(f'{{"text": "a", "label": "other"}}\n{row}\n', "some.jsonl")
    assert "some.jsonl" in str(caught.value)
    assert "line 2: " in str(caught.value)
    assert told in str(caught.value)


def test_of_many_bad_lines_ten_are_told() -> None:
    with pytest.raises(UsageError, match="and 5 more") as caught:
        parse_labelled("x\n" * 15, "f")
    assert "line 10" in str(caught.value)
    assert "line 11" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_labelled(tmp_path / "none")
    (tmp_path / "latin").write_bytes(b"\xff")
    with pytest.raises(UsageError, match="UTF-8"):
        read_labelled(tmp_path / "latin")
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(UserError, match="no lines"):
        read_labelled(tmp_path / "empty")

"""Labelled messages: JSON lines of `{"text", "label"}`, checked line by line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final, NamedTuple

from server.errors import UsageError, UserError

MAX_FILE_BYTES: Final = 64_000_000
MAX_TOLD: Final = 10
"""Bad lines that are told of; the others are counted."""
LABELS: Final = ("question", "other")


class Labelled(NamedTuple):
    """`kind` is what the file says of it (`price`, `rhetorical`…), empty when it does not."""

    line: int
    text: str
    is_question: bool
    kind: str
    is_hard: bool


def read_labelled(path: Path) -> list[Labelled]:
    """All lines of a file. Raises `UsageError` that names every bad line (the first ten)."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    if len(content) > MAX_FILE_BYTES:
        raise UsageError(f"{path}: longer than {MAX_FILE_BYTES} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: is not UTF-8 (byte {error.start})") from error
    return parse_labelled(text, str(path))


def parse_labelled(content: str, name: str) -> list[Labelled]:
    """As `read_labelled`; `name` is what messages call the text. Empty lines are passed over."""
    found: list[Labelled] = []
    bad: list[str] = []
    for number, row in enumerate(content.split("\n"), 1):
        if not row.strip():
            continue
        try:
            found.append(_labelled(row, number))
        except ValueError as error:
            bad.append(f"\n  line {number}: {error}")
    if bad:
        more = f"\n  and {len(bad) - MAX_TOLD} more" if len(bad) > MAX_TOLD else ""
        raise UsageError(f"{name} has bad lines:{''.join(bad[:MAX_TOLD])}{more}")
    if not found:
        raise UserError(f"{name} has no lines")
    return found


def _labelled(row: str, number: int) -> Labelled:
    try:
        value = json.loads(row)
    except (ValueError, RecursionError) as error:
        raise ValueError("is no JSON") from error
    if not isinstance(value, dict):
        raise ValueError('must be an object like {"text": "多少钱", "label": "question"}')
    text = value.get("text")
    if not isinstance(text, str):
        raise ValueError("`text` must be a string")
    return Labelled(
        number, text, _is_question(value), str(value.get("kind") or ""), value.get("hard") is True
    )


def _is_question(value: dict[str, object]) -> bool:
    if "label" in value:
        label = value["label"]
        if label not in LABELS:
            raise ValueError('`label` must be "question" or "other"')
        return label == "question"
    is_question = value.get("is_question")
    if not isinstance(is_question, bool):
        raise ValueError('needs `label` ("question" or "other") or `is_question` (true or false)')
    return is_question

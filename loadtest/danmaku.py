"""What people say: the sample chat of a live-commerce room, carried as data
(`loadtest/data/danmaku.jsonl`), or a file of the user's."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Final, NamedTuple

MAX_FILE_BYTES: Final = 16_000_000
MAX_LINES: Final = 100_000
MAX_TEXT_CHARS: Final = 400
"""Rooms take 500; the rest is for a load client's stamp."""
PAUSE_MS: Final = 1000
"""Between the lines of a file that has no times."""
_ASKS: Final = ("?", "\uff1f", "吗", "么", "呢")
"""How a question ends, in lines that do not say whether they are one."""


class Line(NamedTuple):
    """One danmaku line. `offset_ms` counts from the start of the sample."""

    offset_ms: int
    user: str
    text: str
    is_question: bool


class DanmakuError(Exception):
    """A danmaku file cannot be used; the message is one line."""


def sample() -> list[Line]:
    """All lines, in the order they were said."""
    text = resources.files("loadtest").joinpath("data/danmaku.jsonl").read_text("utf-8")
    return parse_lines(text, "the sample")


def read_lines(path: Path) -> list[Line]:
    """A file of the user's, in either form of `parse_lines`. Raises `DanmakuError`."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise DanmakuError(f"{path}: cannot be read: {error.strerror}") from error
    if len(content) > MAX_FILE_BYTES:
        raise DanmakuError(f"{path}: longer than {MAX_FILE_BYTES} bytes")
    try:
        return parse_lines(content.decode("utf-8-sig"), path.name)
    except UnicodeDecodeError as error:
        raise DanmakuError(f"{path}: is not UTF-8") from error


def parse_lines(content: str, name: str) -> list[Line]:
    """JSON lines as in the sample (only `text` is needed), or plain text, one line each; which of
    them, the first line says. Empty lines are passed over. `name` is what messages call it.

    Raises `DanmakuError` with the number of the line.
    """
    rows = [(n, row.strip()) for n, row in enumerate(content.split("\n"), 1) if row.strip()]
    if not rows:
        raise DanmakuError(f"{name}: has no lines")
    if len(rows) > MAX_LINES:
        raise DanmakuError(f"{name}: has {len(rows)} lines; at most {MAX_LINES}")
    is_json = rows[0][1].startswith("{")
    lines: list[Line] = []
    for number, row in rows:
        try:
            lines.append(_of_json(row, len(lines)) if is_json else _of_text(row, len(lines)))
        except ValueError as error:
            raise DanmakuError(f"{name}, line {number}: {error}") from error
    return lines


def _of_text(text: str, index: int) -> Line:
    return _checked(Line(index * PAUSE_MS, "", text, text.endswith(_ASKS)))


def _of_json(row: str, index: int) -> Line:
    try:
        found = json.loads(row)
    except (ValueError, RecursionError) as error:
        raise ValueError("is no JSON") from error
    if not isinstance(found, dict):
        raise ValueError("must be a JSON object")
    text = found.get("text")
    if not isinstance(text, str) or not text.strip():
        raise ValueError("needs a `text`")
    offset_ms = found.get("offset_ms", index * PAUSE_MS)
    is_question = found.get("is_question", text.endswith(_ASKS))
    if not isinstance(offset_ms, int) or isinstance(offset_ms, bool) or offset_ms < 0:
        raise ValueError("`offset_ms` must be a whole number, 0 or more")
    if not isinstance(is_question, bool):
        raise ValueError("`is_question` must be true or false")
    return _checked(Line(offset_ms, str(found.get("user_id", "")), text.strip(), is_question))


def _checked(line: Line) -> Line:
    if len(line.text) > MAX_TEXT_CHARS:
        raise ValueError(f"is longer than {MAX_TEXT_CHARS} characters")
    if not line.text.isascii() and any("\ud800" <= char <= "\udfff" for char in line.text):
        raise ValueError("has half a surrogate pair, which no socket can send")
    return line

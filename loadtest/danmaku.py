"""Sample chat of a live-commerce room, carried as data (`loadtest/data/danmaku.jsonl`)."""

from __future__ import annotations

import json
from importlib import resources
from typing import NamedTuple


class Line(NamedTuple):
    """One danmaku line. `offset_ms` counts from the start of the sample."""

    offset_ms: int
    user: str
    text: str
    is_question: bool


def sample() -> list[Line]:
    """All lines, in the order they were said."""
    text = resources.files("loadtest").joinpath("data/danmaku.jsonl").read_text("utf-8")
    rows = (json.loads(row) for row in text.splitlines() if row.strip())
    return [Line(row["offset_ms"], row["user_id"], row["text"], row["is_question"]) for row in rows]

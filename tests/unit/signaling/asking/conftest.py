from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from signaling.asking.shipped import Asking, shipped_asking

ROOT = Path(__file__).parents[4]
SAMPLE = ROOT / "loadtest/data/danmaku.jsonl"
CORPORA = ROOT / "tests/data/questions"


@pytest.fixture(scope="session")
def asking() -> Asking:
    return shipped_asking()


def rows_of(path: Path) -> list[dict[str, Any]]:  # JSON
    return [json.loads(row) for row in path.read_text("utf-8").splitlines()]

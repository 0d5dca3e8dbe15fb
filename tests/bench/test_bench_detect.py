"""The benchmark of detection runs (small); times are not judged here."""

from __future__ import annotations

import pytest

from tests.bench.bench_detect import LENGTHS, main


def test_the_benchmark_runs(capsys: pytest.CaptureFixture[str]) -> None:
    rows = main(["--quick"])
    kinds = {row.kind for row in rows}
    assert {"danmaku", "chinese", "english", "folding"} < kinds
    assert [row.chars for row in rows if row.kind == "chinese"] == list(LENGTHS)
    assert all(row.p99_us >= row.p50_us > 0 for row in rows)
    assert "danmaku" in capsys.readouterr().out

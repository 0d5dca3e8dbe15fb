"""The fan-out benchmark runs (small), so that it cannot rot. Times are not judged here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.bench.bench_fanout import main


def test_the_benchmark_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "fanout.json"
    rows = main(["--quick", "--json", str(report)])
    assert {(row.subscribers, row.batch) for row in rows} == {
        (subscribers, batch) for subscribers in (1, 10) for batch in (1, 3, 10)
    }
    assert all(row.total_us > 0 for row in rows)
    assert "subscribers" in capsys.readouterr().out
    assert len(json.loads(report.read_text())["rows"]) == len(rows)

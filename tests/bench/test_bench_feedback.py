"""The benchmark of viewers' feedback runs (small), so that it cannot rot. Times are not judged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.bench.bench_feedback import main


def test_the_benchmark_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "feedback.json"
    row = main(["--quick", "--json", str(report)])
    assert row.report_us > 0
    assert row.check_us > 0
    assert "check us" in capsys.readouterr().out
    assert json.loads(report.read_text())["rows"][0]["datagrams"] == row.datagrams

"""The benchmark of joining runs (small), so that it cannot rot. Times and memory are not judged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.bench.bench_join import main


def test_the_benchmark_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "join.json"
    (row,) = main(["--quick", "--whole", "--json", str(report)])
    assert row.join_us > row.sdp_us > 0
    assert row.dtls_us > 0
    assert "KiB/viewer" in capsys.readouterr().out
    written = json.loads(report.read_text())
    assert written["rows"][0]["viewers"] == row.viewers
    assert written["whole"]["joins"] == 3
    assert written["whole"]["server_us"] > 0

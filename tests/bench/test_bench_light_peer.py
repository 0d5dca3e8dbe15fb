"""The benchmark of the light viewer runs (small), so that it cannot rot. Times are not judged."""

from __future__ import annotations

import pytest

from tests.bench.bench_light_peer import PER_CALL, main


def test_the_benchmark_runs(capsys: pytest.CaptureFixture[str]) -> None:
    rows = main(["--quick"])
    assert tuple(row.per_call for row in rows) == PER_CALL
    assert all(row.heads_us > 0 and row.whole_us > 0 for row in rows)
    assert "packets per call" in capsys.readouterr().out

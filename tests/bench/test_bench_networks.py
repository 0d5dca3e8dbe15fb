"""The benchmark of bad networks runs (small), so that it cannot rot. Figures are not judged."""

from __future__ import annotations

import pytest

from tests.bench.bench_networks import CASES, HEAD, main

pytestmark = pytest.mark.alone


def test_the_benchmark_runs(capsys: pytest.CaptureFixture[str]) -> None:
    rows = main(["--quick"])
    assert [row.name for row in rows] == [case.name for case in CASES[:2]]
    assert all(len(row.cells) == len(HEAD) for row in rows)
    assert all(row.seen.grown("frames") > 0 for row in rows)
    assert HEAD[1] in capsys.readouterr().out

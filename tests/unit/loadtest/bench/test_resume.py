"""What an interrupted benchmark left is kept, if it measured what is checked out."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from loadtest.bench.__main__ import kept
from loadtest.report.machine import machine
from loadtest.report.write import write_json
from tests.support.reports import a_report


def test_only_parts_of_this_commit_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "forwarding.json"
    assert kept(path) is None
    write_json(a_report(), path)
    assert kept(path) is None, "of another commit"
    now = replace(a_report(), machine=replace(a_report().machine, commit=machine().commit))
    write_json(now, path)
    assert kept(path) == now
    path.write_bytes(path.read_bytes()[:-10])
    assert kept(path) is None, "broken"

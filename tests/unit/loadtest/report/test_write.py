from __future__ import annotations

import os
from pathlib import Path

import pytest

from loadtest.report.schema import ReportError
from loadtest.report.write import check_writable, read_json, write_html, write_json
from tests.support.reports import a_report

REPORT = a_report(seconds=2)


def test_json_is_written_whole_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    path.write_text("an older one")
    write_json(REPORT, path)
    assert read_json(path) == REPORT
    assert os.listdir(tmp_path) == ["out.json"]


def test_the_page_is_written(tmp_path: Path) -> None:
    path = tmp_path / "out.html"
    write_html(REPORT, path)
    assert path.read_text("utf-8").startswith("<!doctype html>")


def test_a_report_is_readable_like_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    write_json(REPORT, tmp_path / "out.json")
    modes = {(tmp_path / name).stat().st_mode for name in ("usual", "out.json")}
    assert len(modes) == 1


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    with pytest.raises(ReportError, match=f"cannot write {taken}: ") as failed:
        write_json(REPORT, taken)
    assert "\n" not in str(failed.value)
    assert os.listdir(tmp_path) == ["taken"]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "no" / "out.json"
    with pytest.raises(ReportError, match="No such file or directory"):
        write_json(REPORT, path)


def test_a_wrong_path_is_told_before_the_run(tmp_path: Path) -> None:
    check_writable(tmp_path / "fine.json")
    with pytest.raises(ReportError, match="it is a folder"):
        check_writable(tmp_path)
    with pytest.raises(ReportError, match="there is no folder"):
        check_writable(tmp_path / "no" / "out.json")


def test_reading_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match=r"cannot read .*none\.json"):
        read_json(tmp_path / "none.json")

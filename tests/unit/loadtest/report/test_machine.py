from __future__ import annotations

import re
import subprocess
from pathlib import Path

import msgspec
import pytest

from loadtest.report.machine import UNKNOWN, commit_of, machine


def test_the_machine_is_described() -> None:
    about = msgspec.structs.asdict(machine())
    assert all(about.values())
    assert about["cores"] >= 1


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments],
        cwd=folder, check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip


def test_the_commit_of_a_checkout(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    assert commit_of(tmp_path) == UNKNOWN  # nothing committed yet
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "begin")
    assert re.fullmatch("[0-9a-f]{7,}", commit_of(tmp_path))
    assert git(tmp_path, "rev-parse", "HEAD").startswith(commit_of(tmp_path))


def test_a_package_inside_somebody_elses_checkout(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "theirs")
    installed = tmp_path / "site-packages"
    installed.mkdir()
    assert commit_of(installed) == UNKNOWN


def test_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(tmp_path, "init", "-q")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit_of(tmp_path) == UNKNOWN
    assert machine().commit

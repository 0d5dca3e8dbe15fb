from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.errors import StoreError
from server.store.socket_path import SUN_PATH_BYTES, choose_socket_path

LONG = Path("/" + "d" * 60) / ("e" * 60) / "store"


@pytest.fixture
def short_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A private place for the short path, so that tests leave nothing in the common one."""
    with tempfile.TemporaryDirectory(prefix="lm-") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


def test_in_the_data_folder_when_it_fits() -> None:
    assert choose_socket_path(Path("/data/store")) == Path("/data/store/store.sock")


@pytest.mark.parametrize("length", [SUN_PATH_BYTES - 1, SUN_PATH_BYTES, SUN_PATH_BYTES + 1])
def test_the_limit_is_exact(length: int, short_folder: Path) -> None:
    folder = Path("/" + "x" * (length - len("//store.sock")))
    assert len(os.fsencode(folder / "store.sock")) == length
    path = choose_socket_path(folder)
    assert path.is_relative_to(folder) == (length <= SUN_PATH_BYTES)


def test_a_long_one_goes_to_a_private_short_place(short_folder: Path) -> None:
    path = choose_socket_path(LONG)
    assert path.is_relative_to(short_folder)
    assert len(os.fsencode(path)) <= SUN_PATH_BYTES
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert choose_socket_path(LONG) == path, "the same at every start"
    assert choose_socket_path(LONG / "other") != path


def test_bytes_count_not_letters(short_folder: Path) -> None:
    assert choose_socket_path(Path("/" + "数" * 40)).is_relative_to(short_folder)


def test_a_place_prepared_by_somebody_else(short_folder: Path) -> None:
    folder = choose_socket_path(LONG).parent
    folder.chmod(0o755)
    with pytest.raises(StoreError, match="not a private folder"):
        choose_socket_path(LONG)
    folder.rmdir()
    folder.symlink_to(short_folder)
    with pytest.raises(StoreError, match="not a private folder"):
        choose_socket_path(LONG)

from __future__ import annotations

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from server.errors import UserError
from server.keys_file import KEYS_FILE, load_or_make_keys
from server.settings import Settings
from server.signing import SigningKeys


def test_made_at_first_start_and_kept(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "data"
    first = load_or_make_keys(folder)
    assert load_or_make_keys(folder) == first
    (key,) = first.values()
    assert key.shop == "main"
    assert len(key.secret.get_secret_value()) >= 32


def test_private(tmp_path: Path) -> None:
    load_or_make_keys(tmp_path / "data")
    path = tmp_path / "data" / KEYS_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [file.name for file in path.parent.iterdir()] == [KEYS_FILE]


def test_all_who_start_at_once_get_the_same(tmp_path: Path) -> None:
    # Locks and renames are the kernel's: threads race for them as processes do.
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(load_or_make_keys, [tmp_path / "data"] * 16))
    assert all(keys == found[0] for keys in found)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"version": 1}', '{"version": 1, "keys": {}}', '{"version": 2, "keys": {}}'],
)
def test_a_broken_file_is_never_replaced(tmp_path: Path, text: str) -> None:
    path = tmp_path / KEYS_FILE
    path.write_text(text)
    with pytest.raises(UserError, match="mend the file"):
        load_or_make_keys(tmp_path)
    assert path.read_text() == text


def test_a_broken_secret_is_not_shown(tmp_path: Path) -> None:
    content = {"version": 1, "keys": {"k": {"secret": "geheim"}}}
    (tmp_path / KEYS_FILE).write_text(json.dumps(content))
    with pytest.raises(UserError) as caught:
        load_or_make_keys(tmp_path)
    assert "geheim" not in str(caught.value)


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="--data-dir"):
        load_or_make_keys(tmp_path / "file")


def test_keys_of_the_settings_come_first(tmp_path: Path) -> None:
    settings = Settings.model_validate(
        {"data_dir": tmp_path / "data", "keys": {"k": {"secret": "s" * 32}}}
    )
    assert repr(SigningKeys.load(settings)) == "SigningKeys(k)"
    assert not (tmp_path / "data").exists()

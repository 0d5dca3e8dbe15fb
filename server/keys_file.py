"""The signing keys of the data folder: `keys.json`, mode 0600, made at first start."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from server.errors import UserError
from server.files import folder_lock, make_private_folder, write_private
from server.settings import KeySettings

KEYS_FILE: Final = "keys.json"
VERSION: Final = 1


class _KeysFile(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    version: int = Field(ge=1, le=VERSION)
    keys: dict[str, KeySettings] = Field(min_length=1)


def load_or_make_keys(data_dir: Path) -> dict[str, KeySettings]:
    """The keys of the folder by id. Two programs that start at once get the same ones.

    Raises `UserError` when the file is broken or the folder cannot be written.
    """
    path = data_dir / KEYS_FILE
    try:
        make_private_folder(data_dir)
        with folder_lock(data_dir):
            if not path.exists():
                write_private(path, _new_keys())
            text = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"cannot read or make the signing keys {path}: {error.strerror};"
            " give another folder with --data-dir, or keys in the settings"
        ) from error
    return _parse(path, text)


def _new_keys() -> bytes:
    key_id = f"lm{secrets.token_hex(6)}"
    keys = {key_id: {"secret": secrets.token_urlsafe(32), "shop": "main"}}
    return json.dumps({"version": VERSION, "keys": keys}, indent=2).encode() + b"\n"


def _parse(path: Path, text: bytes) -> dict[str, KeySettings]:
    try:
        return _KeysFile.model_validate_json(text).keys
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise UserError(
            f"the signing keys {path} are broken: {place}: {first['msg']};"
            " mend the file, or move it away and every token becomes invalid"
        ) from error

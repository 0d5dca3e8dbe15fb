"""Where the store's Unix socket goes: in the data folder, or near, when its path is too long."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Final

from server.errors import StoreError

SUN_PATH_BYTES: Final = 103
"""macOS takes 104 with the final zero, Linux 108 (unix(7)); the smaller holds everywhere."""
SOCKET_NAME: Final = "store.sock"


def choose_socket_path(folder: Path) -> Path:
    """A path short enough for the kernel, the same for every start on the same folder.

    `folder` must be absolute. Raises `StoreError` when another user has prepared the short folder.
    """
    direct = folder / SOCKET_NAME
    if len(os.fsencode(direct)) <= SUN_PATH_BYTES:
        return direct
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    return _private(_runtime_folder() / f"lianmai-{os.getuid()}-{digest}") / "s"


def _runtime_folder() -> Path:
    for candidate in (Path(tempfile.gettempdir()), Path("/tmp")):
        # Room for "/lianmai-<uid>-<16>/s".
        if candidate.is_dir() and len(os.fsencode(candidate)) <= SUN_PATH_BYTES - 40:
            return candidate
    raise StoreError("no folder with a path short enough for a socket; set TMPDIR to a short one")


def _private(folder: Path) -> Path:
    """In a folder that all may write, only one that is ours alone counts."""
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if folder.is_symlink() or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise StoreError(f"{folder} is not a private folder of this user; remove it and try again")
    return folder

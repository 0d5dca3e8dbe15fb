"""Reports into files: whole, or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from loadtest.report.page import html_page
from loadtest.report.schema import AnyReport, ReportError, decode, encode


def write_json(report: AnyReport, path: Path) -> None:
    """Replace `path`. Raises ReportError, one line."""
    _replace(path, encode(report))


def write_html(report: AnyReport, path: Path) -> None:
    """Replace `path` with one page that needs no network. Raises ReportError, one line."""
    _replace(path, html_page(report).encode("utf-8", "replace"))


def read_json(path: Path) -> AnyReport:
    """Raises ReportError for a file that cannot be read or is no report."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ReportError(f"cannot read {path}: {error.strerror}") from None
    return decode(data)


def check_writable(path: Path) -> None:
    """Before the run, because after it a wrong path costs the run. Raises ReportError."""
    folder = path.parent
    if path.is_dir():
        raise ReportError(f"cannot write {path}: it is a folder")
    if not folder.is_dir():
        raise ReportError(f"cannot write {path}: there is no folder {folder}")
    if not os.access(folder, os.W_OK):
        raise ReportError(f"cannot write {path}: no permission in {folder}")


def _replace(path: Path, data: bytes) -> None:
    """Beside it first, then renamed: who reads meanwhile gets the old file or the new one."""
    temporary: Path | None = None
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        temporary = Path(name)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            os.fchmod(file.fileno(), _usual_mode())
        temporary.replace(path)
    except OSError as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink()
        raise ReportError(f"cannot write {path}: {error.strerror}") from None


def _usual_mode() -> int:
    """mkstemp makes files for the owner alone; a report gets what any new file would."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask

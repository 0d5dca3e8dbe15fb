"""One program on a store folder: a lock that lives as long as the program *or its store process*.

The store process inherits the locked descriptor, so a new start cannot get the lock while an orphan
still writes. The file's content tells who holds it: that finds the orphan, and names the holder.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
from pathlib import Path
from typing import Final

import msgspec

from server.errors import StoreInUse
from server.logs import get_log

log = get_log(__name__)

LOCK_NAME: Final = "lock"
RETRY_S: Final = 0.05


class Holder(msgspec.Struct, frozen=True):
    """Who holds a folder. `started` tells a process from a later one with the same id."""

    pid: int
    started: str
    store_pid: int = 0


class FolderLock:
    """An acquired lock; `fd` is for the store process to inherit. `release` it at the end."""

    def __init__(self, fd: int) -> None:
        self.fd: Final = fd
        self._released = False

    def record(self, *, store_pid: int = 0) -> None:
        """Write who holds it: this process and its store process (0: none yet)."""
        holder = Holder(os.getpid(), started_at(os.getpid()), store_pid)
        content = msgspec.json.encode(holder)
        os.pwrite(self.fd, content, 0)
        os.ftruncate(self.fd, len(content))

    def release(self) -> None:
        """Give it up (the store process must have ended, or it still holds it). Repeatable."""
        if self._released:
            return
        self._released = True
        os.ftruncate(self.fd, 0)
        os.close(self.fd)


async def acquire_lock(folder: Path, *, config_path: Path, wait_s: float) -> FolderLock:
    """Lock `folder`, ending an orphaned store (run with `config_path`) cleanly on the way.

    Raises `StoreInUse` when it is still held after `wait_s` seconds.
    """
    fd = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        await _wait_for_lock(fd, folder, config_path, wait_s)
    except BaseException:
        os.close(fd)
        raise
    lock = FolderLock(fd)
    lock.record()
    return lock


async def _wait_for_lock(fd: int, folder: Path, config_path: Path, wait_s: float) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait_s
    told: int | None = None
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            holder = _read_holder(fd)
        if loop.time() >= deadline:
            raise StoreInUse(_in_use_text(folder, holder), holder.pid if holder else None)
        if holder is not None and told != holder.pid:
            told = holder.pid
            log.info("store_folder_held", folder=folder, pid=holder.pid, waiting_s=wait_s)
            _end_orphan(holder, config_path)
        await asyncio.sleep(RETRY_S)


def _in_use_text(folder: Path, holder: Holder | None) -> str:
    who = f"process {holder.pid}" if holder else "another process"
    return (
        f"the data folder {folder.parent} is in use by {who};"
        " stop that one, or give this one another folder with --data-dir"
    )


def _read_holder(fd: int) -> Holder | None:
    with contextlib.suppress(msgspec.MsgspecError):  # empty, or being written this moment
        return msgspec.json.decode(os.pread(fd, 4096, 0), type=Holder)
    return None


def _end_orphan(holder: Holder, config_path: Path) -> None:
    """SIGTERM to the store process of a dead program, if that is what the id still means."""
    if is_running(holder.pid, holder.started) or not holder.store_pid:
        return
    if str(config_path) not in _arguments(holder.store_pid):
        return
    log.warning("orphaned_store_ended", pid=holder.store_pid, parent=holder.pid)
    with contextlib.suppress(ProcessLookupError):
        os.kill(holder.store_pid, signal.SIGTERM)


def is_running(pid: int, started: str) -> bool:
    """True while the process that `started_at` described is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # there, and another user's
    return started_at(pid) == started


def started_at(pid: int) -> str:
    """Start time of a process in clock ticks since boot, "" where there is no /proc."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    # Field 22 of proc(5); the name in field 2 may hold blanks and parentheses.
    return stat.rpartition(")")[2].split()[19]


def _arguments(pid: int) -> list[str]:
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return []
    return os.fsdecode(raw).split("\0")

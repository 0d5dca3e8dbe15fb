"""Checks of the machine: Python, memory and file limits, disk, clock."""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import shutil
import sys
from importlib import metadata, util
from pathlib import Path
from typing import Final

from server.doctor.check import Check, fail, ok, warn
from server.settings import Settings

FILES_WANTED: Final = 65_536
"""One socket a viewer: 5,000 viewers and their reconnects leave room at this."""
DISK_WARN_BYTES: Final = 2 * 1024**3
DISK_FAIL_BYTES: Final = 100 * 1024**2
_TIMEX_BYTES: Final = 256
"""Larger than `struct timex` (adjtimex(2)) on every platform."""
_TIME_ERROR: Final = 5
"""adjtimex(2): the clock is not synchronised."""


def python() -> Check:
    # An older one than 3.11 cannot even load us; pip and `make setup` say so.
    where = f"{platform.system()} {platform.machine()}"
    return ok("python", f"{platform.python_version()} on {where}")


def event_loop() -> Check:
    if util.find_spec("uvloop") is None:
        return warn("uvloop", "missing: asyncio's own loop is slower", "make setup")
    return ok("uvloop", metadata.version("uvloop"))


def cores() -> Check:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if (usable or 1) < 2:
        text = "1: media, store and projector share it"
        return warn("cores", text, "give the machine 2 or more")
    return ok("cores", str(usable))


def open_files() -> Check:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= FILES_WANTED or soft == resource.RLIM_INFINITY:
        return ok("open files", f"limit {soft}")
    how = f"ulimit -n {FILES_WANTED}, or LimitNOFILE={FILES_WANTED} in the systemd unit"
    return warn("open files", f"limit {soft} (hard {hard}): about {soft - 200} viewers", how)


def overcommit() -> Check:
    """The store forks to rewrite its file; without overcommit the fork can fail."""
    path = Path("/proc/sys/vm/overcommit_memory")
    if not path.exists() or path.read_text().strip() == "1":
        return ok("memory overcommit", "allowed")
    return warn(
        "memory overcommit",
        "off: the store may fail to rewrite its file when memory is short",
        "sysctl vm.overcommit_memory=1 (keep it in /etc/sysctl.d/)",
    )


def disk(settings: Settings) -> Check:
    folder = nearest_folder(settings.data_dir)
    if not os.access(folder, os.W_OK):
        text = f"{settings.data_dir} cannot be written"
        return fail("data folder", text, "change its owner, or give another with --data-dir")
    free = shutil.disk_usage(folder).free
    detail = f"{settings.data_dir.absolute()}, {free / 1024**3:.1f} GiB free"
    if free < DISK_FAIL_BYTES:
        return fail("data folder", detail, "free some space: a full disk stops the store")
    if free < DISK_WARN_BYTES:
        return warn("data folder", detail, "free some space before it is full")
    return ok("data folder", detail)


def nearest_folder(path: Path) -> Path:
    """The folder itself, or the closest parent that exists."""
    path = path.absolute()
    while not path.is_dir():
        path = path.parent
    return path


def clock() -> Check:
    """Tokens and media time hang on the wall clock."""
    if sys.platform != "linux":
        return ok("clock", "not checked on this system")
    buffer = ctypes.create_string_buffer(_TIMEX_BYTES)
    # All zero is `modes = 0`: read, change nothing.
    state = ctypes.CDLL(None).adjtimex(buffer)
    if state == _TIME_ERROR:
        return warn(
            "clock",
            "the kernel does not know it to be synchronised",
            "timedatectl set-ntp true (in a container or virtual machine: ask on its host)",
        )
    return ok("clock", "synchronised" if state >= 0 else "not readable here")


def chromium() -> Check:
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        return ok("chromium", "missing; only `make test` needs it, and installs it where root")
    return ok("chromium", f"{found} (for the browser tests only)")

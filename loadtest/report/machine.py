"""The machine that a run was made on."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import Final

from loadtest.report.model import Machine

UNKNOWN: Final = "unknown"
_GIT_WITHIN_S: Final = 5.0


def machine() -> Machine:
    """What a reader needs to compare. Never fails: what cannot be read is `unknown`."""
    return Machine(
        processor=_processor(),
        cores=os.cpu_count() or 1,
        kernel=platform.release().split("-")[0] or UNKNOWN,
        python=platform.python_version(),
        commit=commit_of(Path(__file__).parents[2]),
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine() or UNKNOWN


def commit_of(folder: Path) -> str:
    """The short commit of the checkout that `folder` is the root of; `unknown` for an installed
    package, without git, or when git refuses.

    Not of a checkout further up: an installed package may lie in somebody else's."""
    if not (folder / ".git").exists():
        return UNKNOWN
    try:
        done = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"],
            cwd=folder, capture_output=True, text=True, check=False, timeout=_GIT_WITHIN_S,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return UNKNOWN
    return done.stdout.strip() or UNKNOWN

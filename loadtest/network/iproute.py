"""The programs `ip` and `tc` of iproute2."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from typing import Any, Final, ParamSpec, TypeVar

from loadtest.network.errors import WITHOUT, NetworkError

P = ParamSpec("P")
T = TypeVar("T")

_DEADLINE_S: Final = 30.0
"""They take milliseconds; a kernel that is busy taking networks down, tenths of a second."""


@cache
def program(name: str) -> str:
    """Where `ip` or `tc` is; raises `NetworkError` naming the package."""
    # Not every PATH has /usr/sbin, where Debian keeps tc.
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        raise NetworkError(f"no program {name}: apt-get install iproute2, {WITHOUT}")
    return found


def run(name: str, *arguments: str) -> str:
    """What the program printed; blocks for milliseconds. Raises `NetworkError` with its reason."""
    done = subprocess.run(
        (program(name), *arguments),
        capture_output=True,
        text=True,
        timeout=_DEADLINE_S,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode == 0:
        return done.stdout
    reason = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
    remedy = ""
    if "not permitted" in reason or "denied" in reason:
        remedy = f"; root needs CAP_NET_ADMIN and CAP_SYS_ADMIN (in a container, too), {WITHOUT}"
    raise NetworkError(f"{name} {' '.join(arguments)}: {reason}{remedy}")


def ip(*arguments: str) -> str:
    return run("ip", *arguments)


def tc(*arguments: str) -> str:
    return run("tc", *arguments)


def listed(name: str, *arguments: str) -> list[dict[str, Any]]:
    """What `ip -json` or `tc -json` printed (Any: shapes differ by command)."""
    rows: list[dict[str, Any]] = json.loads(run(name, "-json", *arguments) or "[]")
    return rows


async def to_its_end(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Like `asyncio.to_thread`, but a cancelled caller waits for the end of the work, so that what
    was made can be removed in order."""
    task = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        with contextlib.suppress(NetworkError):  # the cancellation is what the caller hears of
            await task
        raise

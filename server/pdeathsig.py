"""Run a program that dies with its parent: `python pdeathsig.py PARENT_PID FDS PROGRAM ARGS...`

Run by path with `-I -S`, so it starts in some 15 ms and imports nothing of ours. It asks the kernel
for SIGTERM at the parent's death (Linux `PR_SET_PDEATHSIG`, which `exec` keeps), closes every
descriptor but 0-2 and the comma-separated `FDS`, and becomes the program.

A program of its own and not `preexec_fn`: that would run Python between fork and exec while other
threads hold locks. The kernel means the parent *thread*: start children from a thread that lives
as long as the program, as the event loop's does.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(argv: list[str]) -> int:
    parent_pid, kept, *command = argv
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != int(parent_pid):
            return 0  # the parent died before we asked; nobody will tell us any more
    _close_all_but({0, 1, 2, *(int(number) for number in kept.split(",") if number)})
    try:
        os.execvp(command[0], command)
    except OSError as error:
        print(f"cannot run {command[0]}: {error.strerror}", file=sys.stderr)
        return 127


def _close_all_but(kept: set[int]) -> None:
    """uvloop hands all inheritable descriptors down as soon as one is asked for."""
    try:
        numbers = [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:
        numbers = list(range(3, 1024))
    for number in set(numbers) - kept:
        try:
            os.close(number)
        except OSError:
            continue  # the one that listed the folder is closed already


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

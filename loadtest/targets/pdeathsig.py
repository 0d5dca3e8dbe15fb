"""Run a program that ends when its parent does: `python pdeathsig.py PARENT_PID PROGRAM ARGS...`

Run by path with `-I -S`: it imports nothing of ours, asks the kernel for SIGTERM at the parent's
death (Linux `PR_SET_PDEATHSIG`, which `exec` keeps) and becomes the program. So a tester that was
killed leaves no server behind. SIGTERM, not SIGKILL: a server takes its own children along.

The kernel means the parent *thread*: start programs from the event loop's.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(argv: list[str]) -> int:
    parent_pid, *command = argv
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != int(parent_pid):
            return 0  # the parent died before we asked; nobody will tell us any more
    try:
        os.execvp(command[0], command)
    except OSError as error:
        print(f"cannot run {command[0]}: {error.strerror}", file=sys.stderr)
        return 127


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

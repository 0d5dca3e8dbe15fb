"""Who owns a shard: a token that tells whether its process can still be alive on this machine.

Taking a shard from a live owner is harmless (only one may read, see shard.py) but wasteful, so a
token of another machine is respected until its lease ends.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def new_token() -> str:
    """`<place>:<pid>:<random>`; the place is one boot of one machine and its process namespace."""
    return f"{_place()}:{os.getpid()}:{secrets.token_hex(4)}"


def is_dead_owner(token: str) -> bool:
    """True when the token is of this place and its process is gone."""
    place, _, rest = token.partition(":")
    pid = rest.partition(":")[0]
    if place != _place() or not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False  # it lives, under another user
    return False


def _place() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return f"{secrets.token_hex(8)}/unknown"  # no /proc: nobody matches, leases alone decide

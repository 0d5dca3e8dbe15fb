"""Names of what we make in the kernel: they carry our pid, so that the dead can be tidied up after.

A namespace is `lm-<pid>-<random>`, an interface `lm<pid, hex>v<random>` (15 characters at most).
"""

from __future__ import annotations

import os
import re
import secrets
from typing import Final

_NAMESPACE: Final = re.compile(r"lm-([0-9]{1,7})-[0-9a-f]{4}")
_INTERFACE: Final = re.compile(r"lm([0-9a-f]{1,6})v[0-9a-f]{4}[io]")


def namespace_name() -> str:
    return f"lm-{os.getpid()}-{secrets.token_hex(2)}"


def interface_names() -> tuple[str, str]:
    """The two ends of one link: inside, outside."""
    stem = f"lm{os.getpid():x}v{secrets.token_hex(2)}"
    return f"{stem}i", f"{stem}o"


def owner_of(name: str) -> int | None:
    """The pid of the process that made it; None when the name is not one of ours."""
    if namespace := _NAMESPACE.fullmatch(name):
        return int(namespace[1])
    if interface := _INTERFACE.fullmatch(name):
        return int(interface[1], 16)
    return None


def is_stale(name: str) -> bool:
    """Whether it is one of ours and its process is gone."""
    pid = owner_of(name)
    return pid is not None and not os.path.exists(f"/proc/{pid}")

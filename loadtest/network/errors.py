"""Why a network of our own cannot be had."""

from __future__ import annotations

import os
from typing import Final

WITHOUT: Final = "or leave them out with --no-network"


class NetworkError(Exception):
    """The message is one line and names the remedy."""


def require_root() -> None:
    """Namespaces, links and TUN devices are root's; raises `NetworkError` for anybody else."""
    if os.geteuid() != 0:
        raise NetworkError(f"networks of a scenario need root: run with sudo, {WITHOUT}")

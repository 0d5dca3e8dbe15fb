"""Open files and local ports: what a large crowd runs out of."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Final

from loadtest.network.errors import NetworkError

_PORT_RANGE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_ANY_SYSTEM: Final = (32768, 60999)
"""Linux' default, for systems that tell it elsewhere."""


def ensure_files(needed: int) -> None:
    """Raise the soft limit of open files to `needed`; never lowers it. Raises `NetworkError` when
    the hard limit is lower."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise NetworkError(
            f"this scenario opens {needed} files and the hard limit is {hard}:"
            f" run `ulimit -n {needed}` as root first, or take fewer people"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def ephemeral_ports() -> int:
    """How many local ports this machine gives to sockets that ask for none."""
    lowest, highest = _ANY_SYSTEM
    if _PORT_RANGE.exists():
        lowest, highest = map(int, _PORT_RANGE.read_text().split())
    return highest - lowest + 1


def ensure_ports(sockets: int, *, addresses: int = 1) -> None:
    """Raises `NetworkError` when so many sockets do not fit the ports of so many local addresses
    (to one destination; sockets of other programs not counted)."""
    ports = ephemeral_ports()
    if sockets > ports * addresses:
        raise NetworkError(
            f"{sockets} sockets do not fit into {ports} local ports"
            f"{f' at each of {addresses} addresses' if addresses > 1 else ''}:"
            ' run `sysctl -w net.ipv4.ip_local_port_range="1024 65535"`, or take fewer people'
        )

"""Four private addresses for a link, that nobody else on this machine uses."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from loadtest.network.errors import NetworkError
from loadtest.network.iproute import listed

_RANGES: Final = ("10.213", "198.18")
"""A corner of RFC 1918, and one of the range for benchmarks (RFC 2544), for those whose company
network is all of 10.0.0.0/8."""
PREFIX_BITS: Final = 30


@dataclass(frozen=True, slots=True)
class Subnet:
    """A /30: two addresses for the two ends."""

    network: ipaddress.IPv4Network

    @property
    def outside(self) -> str:
        return str(self.network[1])

    @property
    def inside(self) -> str:
        return str(self.network[2])


def candidates() -> Iterator[Subnet]:
    """10.213.x.0/30, then 198.18.x.0/30."""
    for start in _RANGES:
        for third in range(256):
            yield Subnet(ipaddress.IPv4Network(f"{start}.{third}.0/{PREFIX_BITS}"))


def free_of(taken: Iterable[ipaddress.IPv4Network]) -> Iterator[Subnet]:
    """The candidates that overlap none of these networks."""
    used = list(taken)
    for subnet in candidates():
        if not any(subnet.network.overlaps(network) for network in used):
            yield subnet


def routed() -> list[ipaddress.IPv4Network]:
    """What this machine's addresses and routes name; blocks for milliseconds."""
    rows = listed("ip", "-4", "route", "show", "table", "all")
    return [
        ipaddress.IPv4Network(row["dst"], strict=False) for row in rows if row["dst"] != "default"
    ]


@contextlib.contextmanager
def claimed_subnet() -> Iterator[Subnet]:
    """A subnet that no interface or route has, and no other process of ours gets meanwhile."""
    for subnet in free_of(routed()):
        # An abstract socket is a lock that lives in this network namespace, as the addresses do,
        # and that the kernel frees when we die.
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as lock:
            try:
                lock.bind(f"\0loadtest-network-{subnet.network.network_address}")
            except OSError:
                continue
            yield subnet
            return
    raise NetworkError(f"no free network: routes cover {' and '.join(_RANGES)}.x.0/30 of this host")

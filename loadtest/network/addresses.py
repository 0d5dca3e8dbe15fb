"""Sockets over several loopback addresses, so that a large crowd does not run out of ports."""

from __future__ import annotations

import ipaddress
import itertools
import socket
from typing import Final

from loadtest.network.limits import ephemeral_ports

MOST_ADDRESSES: Final = 200
_FILL: Final = 0.5
"""Share of the ports of an address that we take: others need some, and the kernel searches long
when few are left."""


class LoopbackAddresses:
    """Sockets bound to 127.0.0.1, 127.0.0.2, ... in turn. `udp` and `tcp` are `SocketFactory`s."""

    def __init__(self, count: int) -> None:
        if not 1 <= count <= MOST_ADDRESSES:
            raise ValueError(f"{count} addresses: 1 to {MOST_ADDRESSES}")
        self.addresses = tuple(f"127.0.0.{1 + number}" for number in range(count))
        self._turn = itertools.cycle(self.addresses)

    def udp(self) -> socket.socket:
        """Bound to an address and a port of its own."""
        return self._bound(socket.SOCK_DGRAM)

    def tcp(self) -> socket.socket:
        """Bound to an address; the port is chosen by connect, which may share it."""
        return self._bound(socket.SOCK_STREAM)

    def _bound(self, kind: socket.SocketKind) -> socket.socket:
        made = socket.socket(socket.AF_INET, kind)
        try:
            if kind == socket.SOCK_STREAM:
                made.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
            made.bind((next(self._turn), 0))
        except BaseException:
            made.close()
            raise
        return made


IP_BIND_ADDRESS_NO_PORT: Final = 24
"""ip(7); Python does not name it."""


def is_loopback(host: str) -> bool:
    """Whether it is this machine's 127.0.0.0/8, as a name or an address. No look-up is made."""
    if host == "localhost":
        return True
    try:
        return ipaddress.IPv4Address(host).is_loopback
    except ValueError:
        return False


def addresses_for(host: str, sockets: int) -> LoopbackAddresses | None:
    """As many addresses as so many sockets need; None when the host is not on loopback, where a
    socket of 127.0.0.x cannot go."""
    if not is_loopback(host):
        return None
    needed = -(-sockets // int(ephemeral_ports() * _FILL))
    return LoopbackAddresses(min(max(1, needed), MOST_ADDRESSES))

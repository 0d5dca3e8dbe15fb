"""Which addresses of this machine clients are told: the candidates of every answer."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Final

from server.local_names import local_addresses
from server.settings import Settings

_ANY: Final = ("0.0.0.0", "::", "")


def advertised_addresses(settings: Settings) -> tuple[str, ...]:
    """Addresses for ICE candidates, most reachable first.

    `public_ip` wins where it is set (NAT, clouds). A server that listens on one address has that
    one. Otherwise every address of the machine, its loopback last: pages opened on this machine
    reach the server even without any network.
    """
    if settings.public_ip:
        return tuple(settings.public_ip)
    if settings.host not in _ANY:
        return ("127.0.0.1" if settings.host == "localhost" else settings.host,)
    return reachable(local_addresses(), ipv6=settings.host == "::")


def reachable(addresses: Sequence[str], *, ipv6: bool) -> tuple[str, ...]:
    """Those of a machine's own addresses that lead a client here; IPv6 only where it is heard."""
    found = [
        text
        for text in addresses
        if not (address := ip_address(text)).is_loopback
        and not address.is_link_local
        and (ipv6 or address.version == 4)
    ]
    return (*found, "127.0.0.1")

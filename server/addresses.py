"""Which addresses of this machine clients are told: the candidates of every answer."""

from __future__ import annotations

import ipaddress
from typing import Final

import ifaddr

from server.settings import Settings

_ANY: Final = ("", "0.0.0.0", "::")


def advertised_addresses(settings: Settings) -> tuple[str, ...]:
    """Addresses for ICE candidates, most reachable first.

    `public_ip` wins where it is set (NAT, clouds). A server that listens on one address has that
    one. Otherwise every address of the machine, the loopback last: pages opened on this machine
    reach the server even without any network.
    """
    if settings.public_ip:
        return tuple(settings.public_ip)
    if settings.host not in _ANY:
        return (resolved(settings.host),)
    return (*machine_addresses(), "127.0.0.1")


def machine_addresses() -> tuple[str, ...]:
    """IPv4 addresses of this machine's interfaces that others might reach.

    IPv6 is left out while the UDP shell binds an IPv4 socket. Addresses of link-local and loopback
    interfaces lead nobody here.
    """
    found: list[str] = []
    for adapter in ifaddr.get_adapters():
        for entry in adapter.ips:
            if not isinstance(entry.ip, str) or entry.ip in found:
                continue
            address = ipaddress.ip_address(entry.ip)
            if not (address.is_loopback or address.is_link_local or address.is_unspecified):
                found.append(entry.ip)
    return tuple(found)


def resolved(host: str) -> str:
    """An IP address for a host to listen on; only `localhost` is known by name."""
    return "127.0.0.1" if host == "localhost" else host

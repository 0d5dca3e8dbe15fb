"""What this machine is called, and its addresses: what a local certificate must cover."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable
from ipaddress import IPv6Address, ip_address
from typing import Final

import ifaddr

# Letters, digits and hyphens: what a certificate may carry (RFC 5890 §2.3.1).
_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9-]{1,63})*")


def local_addresses() -> list[str]:
    """Addresses of all interfaces that a URL can hold, IPv4 first (no link-local IPv6)."""
    found = []
    for adapter in ifaddr.get_adapters():
        for entry in adapter.ips:
            text = entry.ip if isinstance(entry.ip, str) else entry.ip[0]
            address = ip_address(text.partition("%")[0])
            if not (isinstance(address, IPv6Address) and address.is_link_local):
                found.append(address)
    found.sort(key=lambda address: (address.version, int(address)))
    return list(dict.fromkeys(str(address) for address in found))


def certificate_names(
    hostname: str, addresses: Iterable[str], public_ips: Iterable[str]
) -> list[str]:
    """localhost, the host name and its mDNS form (Bonjour phones find it), every address."""
    names = ["localhost"]
    short = hostname.partition(".")[0]
    if _HOST.fullmatch(hostname):
        names = [hostname.lower(), f"{short.lower()}.local", *names]
    addresses = [*addresses, *public_ips, "127.0.0.1", "::1"]
    return list(dict.fromkeys([*names, *(ip_address(text).compressed for text in addresses)]))


def this_machines_names(public_ips: Iterable[str]) -> list[str]:
    """`certificate_names` of here and now."""
    return certificate_names(socket.gethostname(), local_addresses(), public_ips)

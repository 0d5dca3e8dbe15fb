"""A cable between this machine and a namespace: a veth pair with a private address at each end.

Receive offload (GRO) is off at the outside end, where readers are: no packet that two senders
sent one by one arrives as one, or the other way round. All else is as the kernel gives it. So a
server inside that sends with UDP_SEGMENT hands its train over in one piece, as to a network card
that can cut it up, and the kernel cuts it up before a reader sees it.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loadtest.network.iproute import ip, to_its_end
from loadtest.network.names import interface_names
from loadtest.network.namespace import Namespace
from loadtest.network.offload import switch_gro_off
from loadtest.network.subnet import PREFIX_BITS, Subnet, claimed_subnet

_IPV6: Final = Path("/proc/sys/net/ipv6")


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Both ends are up, and inside everything goes to the outside end by default."""

    namespace: Namespace
    inside_address: str
    outside_address: str
    inside_name: str
    outside_name: str


@contextlib.asynccontextmanager
async def veth_pair(namespace: Namespace | None = None) -> AsyncIterator[Link]:
    """A link into `namespace`, or into a new one that goes with it. Raises `NetworkError`."""
    async with contextlib.AsyncExitStack() as stack:
        if namespace is None:
            namespace = await stack.enter_async_context(Namespace())
        subnet = stack.enter_context(claimed_subnet())
        inside, outside = interface_names()
        stack.push_async_callback(to_its_end, remove_interface, outside)
        await to_its_end(_plug, namespace, inside, outside)
        await to_its_end(configure, namespace, inside, outside, subnet)
        await to_its_end(switch_gro_off, outside)
        yield Link(
            namespace=namespace,
            inside_address=subnet.inside,
            outside_address=subnet.outside,
            inside_name=inside,
            outside_name=outside,
        )


def _plug(namespace: Namespace, inside: str, outside: str) -> None:
    ip(
        *("link", "add", outside, "type", "veth"),
        *("peer", "name", inside, "netns", namespace.name),
    )


def configure(namespace: Namespace, inside: str, outside: str, subnet: Subnet) -> None:
    """Addresses to both ends, both up, and a default route inside: thus the other addresses of
    this machine are reached from inside, too."""
    for where, name, address in (
        ((), outside, subnet.outside),
        (("-n", namespace.name), inside, subnet.inside),
    ):
        no_link_local(*where, name=name)
        ip(*where, "address", "add", f"{address}/{PREFIX_BITS}", "dev", name)
        ip(*where, "link", "set", name, "up")
    # Append: of several links into one namespace, the first one stays the default.
    ip("-n", namespace.name, "route", "append", "default", "via", subnet.outside)


def no_link_local(*where: str, name: str) -> None:
    """No IPv6 of its own accord: neighbour discovery would be counted as somebody's packets."""
    if _IPV6.exists():  # else the kernel knows no such setting
        ip(*where, "link", "set", name, "addrgenmode", "none")


def remove_interface(name: str) -> None:
    """Nothing to do when it is gone: a namespace takes its end, and so the other one, with it,
    unless a socket that was opened inside is still open."""
    with contextlib.suppress(FileNotFoundError), open(f"/sys/class/net/{name}/ifindex"):
        ip("link", "del", name)

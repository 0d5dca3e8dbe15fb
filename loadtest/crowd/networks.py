"""How each group of a scenario reaches the target: over which network, from which addresses."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from loadtest.crowd.attendee import Access
from loadtest.network.addresses import addresses_for, is_loopback
from loadtest.network.conditions import Conditions, LinkConditions
from loadtest.network.errors import NetworkError
from loadtest.network.impaired import ImpairedNetwork, impaired
from loadtest.network.limits import ensure_files, ensure_ports
from loadtest.scenario.model import Impairment, NetworkSpec, Scenario

FILES_BESIDE: Final = 200
"""Open files of the tester that are no person's."""
FILES_EACH: Final = 3
"""At most: a UDP socket that watches, one that publishes, a WebSocket."""

Networks = Mapping[str, ImpairedNetwork]


def ensure_room(scenario: Scenario) -> None:
    """Raise the soft limit of open files. Raises `NetworkError` where that does not suffice."""
    ensure_files(scenario.people * FILES_EACH + FILES_BESIDE)


async def enter_networks(stack: contextlib.AsyncExitStack, scenario: Scenario) -> Networks:
    """Those that somebody is behind, until `stack` ends. Raises `NetworkError`."""
    used = {group.network for group in scenario.groups.values() if group.count}
    return {
        name: await stack.enter_async_context(impaired(_conditions(name, spec), scenario.seed))
        for name, spec in scenario.networks.items()
        if name in used
    }


def access_of(networks: Networks, url: str, people: int) -> dict[str, Access]:
    """By network name; `""` is for who is behind none. Raises `NetworkError`, also when a network
    could not reach the target: it leads to this machine only."""
    host = urlsplit(url).hostname or ""
    if networks and not is_loopback(host):
        raise NetworkError(
            f"networks of a scenario lead to this machine, not to {host}: run there, or leave them"
            " out with --no-network"
        )
    direct = Access()
    spread = addresses_for(host, people * FILES_EACH)
    if spread is not None and len(spread.addresses) > 1:
        direct = Access(udp=spread.udp, tcp=spread.tcp)
    elif spread is None:
        ensure_ports(people * FILES_EACH)
    return {"": direct} | {
        name: Access(udp=of.namespace.udp, tcp=of.namespace.tcp, host=of.gateway_address)
        for name, of in networks.items()
    }


async def what_happened(networks: Networks) -> list[str]:
    """A line for the report about each."""
    lines = []
    for name, network in networks.items():
        try:
            counts = await network.counters()
        except NetworkError as error:
            lines.append(f"network {name} broke: {error}")
            continue
        line = f"network {name} ({network.how})"
        for way, of in (("down", counts.downlink), ("up", counts.uplink)):
            dropped = of.lost + of.queue_dropped
            line += f"; {way}: {dropped} of {of.packets_in} packets dropped"
        lines.append(line)
        if counts.overrun:
            lines.append(f"network {name} itself was too slow for {counts.overrun} packets")
    return lines


def _conditions(name: str, spec: NetworkSpec) -> LinkConditions:
    try:
        return LinkConditions(downlink=_one_way(spec), uplink=_one_way(spec.uplink))
    except ValueError as error:
        raise NetworkError(f"networks.{name}: {error}") from error


def _one_way(of: Impairment) -> Conditions:
    return Conditions(
        loss=of.loss,
        delay_ms=of.delay_ms,
        jitter_ms=of.jitter_ms,
        rate_bps=of.rate_bps,
        duplicate=of.duplicate,
        reorder=of.reorder,
    )

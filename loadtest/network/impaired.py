"""A namespace at the end of a bad link: where the weak viewers of a scenario live."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from loadtest.network import netem
from loadtest.network.conditions import Conditions, LinkConditions
from loadtest.network.counts import LinkCounts
from loadtest.network.errors import NetworkError
from loadtest.network.iproute import to_its_end
from loadtest.network.link_process import LinkProcess
from loadtest.network.namespace import Namespace
from loadtest.network.subnet import claimed_subnet
from loadtest.network.veth import veth_pair

How = Literal["netem", "tun"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImpairedNetwork:
    """Sockets that are opened in `namespace` reach this machine through the link."""

    namespace: Namespace
    inside_address: str
    gateway_address: str
    """The outside end, an address of this machine: a server that listens at 0.0.0.0 answers."""
    how: How
    counters: Callable[[], Awaitable[LinkCounts]]
    """What the link did so far; after its end, what it did. Raises `NetworkError`."""
    change: Callable[[LinkConditions], Awaitable[None]]
    """Give it other conditions from now on; ours only: with netem it raises `NetworkError`."""
    pid: int | None = None
    """Of the link's own process, part of what the tester costs; None: it is the kernel's work."""


@contextlib.asynccontextmanager
async def impaired(
    conditions: LinkConditions | Conditions, seed: int, *, how: How | None = None
) -> AsyncIterator[ImpairedNetwork]:
    """A namespace and its link; `Conditions` alone hold in each direction.

    `how` None takes netem where the kernel has it, else our own link over TUN devices; and ours
    where there is jitter, because netem's shuffles the packets. Only what ours does follows from
    the seed. Raises `NetworkError`.
    """
    if isinstance(conditions, Conditions):
        conditions = LinkConditions.both(conditions)
    async with Namespace() as namespace:
        if how is None:
            how = await to_its_end(_best, namespace, conditions)
        by = _by_netem if how == "netem" else _by_tun
        async with by(namespace, conditions, seed) as network:
            yield network


def _best(namespace: Namespace, conditions: LinkConditions) -> How:
    jitters = conditions.downlink.jitter_ms or conditions.uplink.jitter_ms
    return "netem" if not jitters and netem.has_netem(namespace) else "tun"


@contextlib.asynccontextmanager
async def _by_tun(
    namespace: Namespace, conditions: LinkConditions, seed: int
) -> AsyncIterator[ImpairedNetwork]:
    with claimed_subnet() as subnet:
        process = LinkProcess(namespace, subnet)
        try:
            pid = await process.start(conditions, seed)
            yield ImpairedNetwork(
                namespace=namespace,
                inside_address=subnet.inside,
                gateway_address=subnet.outside,
                how="tun",
                counters=process.counts,
                change=process.change,
                pid=pid,
            )
        finally:
            await process.stop()


async def _unchangeable(_: LinkConditions) -> None:
    raise NetworkError("netem's conditions stay as they are; take how='tun'")


@contextlib.asynccontextmanager
async def _by_netem(
    namespace: Namespace, conditions: LinkConditions, seed: int
) -> AsyncIterator[ImpairedNetwork]:
    last: LinkCounts | None = None

    async def counters() -> LinkCounts:
        return await to_its_end(netem.counts, link) if last is None else last

    async with veth_pair(namespace) as link:
        await to_its_end(netem.impair, link, conditions)
        try:
            yield ImpairedNetwork(
                namespace=namespace,
                inside_address=link.inside_address,
                gateway_address=link.outside_address,
                how="netem",
                counters=counters,
                change=_unchangeable,
            )
        finally:
            last = await counters()

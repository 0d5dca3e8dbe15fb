"""Conditions by the kernel's own means: netem for what goes wrong, tbf for the rate.

Both directions are done inside the namespace, so that nothing is left when it goes: the uplink
where packets leave, the downlink on an intermediate device (ifb) where they have arrived, because
there trains of UDP_SEGMENT are cut up already; netem would lose a whole train as one packet.
On the uplink it does so, should a client send trains.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from loadtest.network.conditions import Conditions, LinkConditions
from loadtest.network.counts import LinkCounts
from loadtest.network.errors import NetworkError
from loadtest.network.impairment import ImpairmentCounts
from loadtest.network.iproute import ip, listed, tc
from loadtest.network.loss import gilbert
from loadtest.network.namespace import Namespace
from loadtest.network.veth import Link, no_link_local

DOWNLINK: Final = "downlink"
"""Name of the intermediate device; the namespace is ours alone."""
_LIMIT_PACKETS: Final = 100_000
"""What netem may hold in delay: its default, 1000, would drop at 20 Mbit/s and half a second."""
_BURST_BYTES: Final = 3_200
"""tbf sends so much at once: two full packets keep a low rate smooth."""
_BURST_S: Final = 0.004
"""At high rates, one tick of a 250 Hz kernel."""


def has_netem(namespace: Namespace) -> bool:
    """Whether this kernel has the qdisc, tried on the loopback of a namespace of ours."""
    try:
        tc("-n", namespace.name, "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms")
    except NetworkError as error:
        if "unknown" in str(error) or "not found" in str(error).lower():
            return False
        raise
    tc("-n", namespace.name, "qdisc", "del", "dev", "lo", "root")
    return True


def qdiscs(device: str, conditions: Conditions) -> list[list[str]]:
    """The `tc` arguments, one list a command, that give these conditions to what leaves there."""
    add = ["qdisc", "add", "dev", device]
    if not conditions.disturbs and conditions.rate_bps is None:
        return [[*add, "root", "handle", "1:", "pfifo", "limit", str(_LIMIT_PACKETS)]]
    commands = []
    if conditions.disturbs:
        commands.append([*add, "root", "handle", "1:", *_netem(conditions)])
    if conditions.rate_bps is not None:
        parent = ["parent", "1:1"] if conditions.disturbs else ["root"]
        commands.append([*add, *parent, "handle", "10:", *_tbf(conditions, conditions.rate_bps)])
    return commands


def _netem(conditions: Conditions) -> list[str]:
    words = ["netem", "limit", str(_LIMIT_PACKETS)]
    if conditions.delay_ms:
        words += ["delay", _microseconds(conditions.delay_ms)]
        if conditions.jitter_ms:
            words.append(_microseconds(conditions.jitter_ms))
    if conditions.loss and conditions.burst == 1:
        words += ["loss", "random", _percent(conditions.loss)]
    elif conditions.loss:
        words += ["loss", "gemodel", *map(_percent, gilbert(conditions.loss, conditions.burst))]
    if conditions.duplicate:
        words += ["duplicate", _percent(conditions.duplicate)]
    if conditions.reorder:
        words += ["reorder", _percent(conditions.reorder)]
    return words


def _tbf(conditions: Conditions, rate_bps: float) -> list[str]:
    burst_bytes = max(_BURST_BYTES, int(rate_bps / 8 * _BURST_S))
    latency_ms = max(1.0, conditions.queue_ms)
    return [
        *("tbf", "rate", f"{rate_bps:.0f}bit", "burst", str(burst_bytes)),
        *("latency", _microseconds(latency_ms)),
    ]


def _microseconds(milliseconds: float) -> str:
    return f"{milliseconds * 1000:.0f}us"


def _percent(share: float) -> str:
    return f"{share * 100:.4f}%"


def impair(link: Link, conditions: LinkConditions) -> None:
    """Give a link its conditions; blocks for milliseconds. Raises `NetworkError`."""
    inside = ("-n", link.namespace.name)
    _know_each_other(link)
    # Trains are cut up where they are sent, not where they are read.
    ip("link", "set", "dev", link.outside_name, "gso_max_segs", "1")
    ip(*inside, "link", "set", "dev", link.inside_name, "gso_max_segs", "1")
    ip(*inside, "link", "add", DOWNLINK, "type", "ifb")
    no_link_local(*inside, name=DOWNLINK)
    ip(*inside, "link", "set", DOWNLINK, "up")
    tc(*inside, "qdisc", "add", "dev", link.inside_name, "handle", "ffff:", "ingress")
    # What this machine sends to groups (Chromium does, on every interface) is not of the link.
    tc(
        *(*inside, "filter", "add", "dev", link.inside_name, "parent", "ffff:", "protocol", "ip"),
        *("u32", "match", "ip", "dst", f"{link.inside_address}/32"),
        *("action", "mirred", "egress", "redirect", "dev", DOWNLINK),
    )
    for device, wanted in (
        (link.inside_name, conditions.uplink),
        (DOWNLINK, conditions.downlink),
    ):
        for command in qdiscs(device, wanted):
            tc(*inside, *command)


def _know_each_other(link: Link) -> None:
    """ARP that is lost would stop a link for seconds; the addresses never change."""
    inside = ("-n", link.namespace.name)
    ends = (
        ((), link.outside_name, inside, link.inside_name, link.outside_address),
        (inside, link.inside_name, (), link.outside_name, link.inside_address),
    )
    for where, name, elsewhere, other_name, address in ends:
        mac = listed("ip", *where, "link", "show", "dev", name)[0]["address"]
        neighbour = (address, "lladdr", mac, "nud", "permanent", "dev", other_name)
        ip(*elsewhere, "neighbour", "replace", *neighbour)


def counts(link: Link) -> LinkCounts:
    """What the qdiscs counted; blocks for milliseconds. netem tells neither copies nor
    reordered packets: `duplicated` and `reordered` stay 0, a copy is one more that went in."""
    shown = {
        device: listed("tc", "-n", link.namespace.name, "-s", "qdisc", "show", "dev", device)
        for device in (DOWNLINK, link.inside_name)
    }
    return LinkCounts(
        downlink=counts_of(shown[DOWNLINK]), uplink=counts_of(shown[link.inside_name])
    )


def counts_of(rows: Sequence[dict[str, Any]]) -> ImpairmentCounts:
    """Of the qdiscs of one device, as `tc -s -json` lists them."""
    ours = [row for row in rows if row.get("kind") != "ingress"]
    root = next(row for row in ours if row.get("root"))
    queue_dropped = sum(row["drops"] for row in ours if row["kind"] == "tbf")
    # The root counts as dropped what its child did not take.
    lost = root["drops"] - (queue_dropped if root["kind"] == "netem" else root["drops"])
    return ImpairmentCounts(
        packets_in=root["packets"] + root["drops"] + root["qlen"],
        lost=lost,
        queue_dropped=root["drops"] - lost,
        packets_out=root["packets"],
    )

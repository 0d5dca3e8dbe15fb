"""What a link did to the packets of both directions."""

from __future__ import annotations

from dataclasses import dataclass

from loadtest.network.impairment import ImpairmentCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkCounts:
    """`downlink` towards the namespace, `uplink` out of it; IPv4 packets."""

    downlink: ImpairmentCounts
    uplink: ImpairmentCounts
    overrun: int = 0
    """Packets that the link lost because it was too slow itself: 0, or the run says nothing."""
    cpu_s: float = 0.0
    """What the link's own process used; 0 for netem, which is the kernel's."""

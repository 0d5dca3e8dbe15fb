"""The bars of a seat: how well its media arrives at the server, in one number. A core."""

from __future__ import annotations

from typing import Final, NamedTuple

Bars = int
"""4 good, 3 fair, 2 poor, 1 bad, 0 silent."""


class Bound(NamedTuple):
    """The worst that still earns so many bars."""

    bars: Bars
    loss: float
    rtt_ms: float
    jitter_ms: float


BOUNDS: Final = (
    Bound(4, loss=0.02, rtt_ms=200, jitter_ms=40),
    Bound(3, loss=0.05, rtt_ms=350, jitter_ms=80),
    Bound(2, loss=0.12, rtt_ms=600, jitter_ms=150),
)
"""Best first. Loss before repair: below 2 % a retransmission hides it all, above 12 % repair itself
begins to get lost. RTT: 200 ms each way and back is where talk stays natural (ITU-T G.114: 150 ms
one way, of which jitter buffers take their part), at 600 ms people talk over each other. Jitter: 40
ms fits into a player's usual buffer, 150 ms makes it grow audibly."""


def signal_bars(
    *, is_silent: bool, kbps: int, loss: float, rtt_ms: float | None, jitter_ms: float | None
) -> Bars:
    """Bars of one seat. `loss` is a fraction 0..1 before repair, the times are None while unknown.

    The bitrate only tells something from nothing: a camera that its person turned off sends little
    over the best of networks.
    """
    if is_silent or kbps <= 0:
        return 0
    for bound in BOUNDS:
        if (
            loss <= bound.loss
            and (rtt_ms or 0.0) <= bound.rtt_ms
            and (jitter_ms or 0.0) <= bound.jitter_ms
        ):
            return bound.bars
    return 1

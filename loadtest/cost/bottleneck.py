"""Whether the tester measured the server, or itself."""

from __future__ import annotations

from typing import Final

from loadtest.report.model import Percentiles

BUSY_CORES: Final = 0.9
"""One process with one event loop: above this share of a core, things wait for the tester."""
LATE_MS: Final = 50.0
"""99th percentile of the event loop's lag: beyond it, sending times and pauses are its own."""
OVERFLOW_SHARE: Final = 0.0001
"""Datagrams lost by the tester's own sockets, of all: more would be reported as the server's loss
where a limit of 0.01 % matters."""


def bottleneck(
    cpu_cores: float, lag_ms: Percentiles | None, receive_overflows: int, packets: int
) -> str:
    """Why the tester was the limit; empty when it was not. `packets` were received beside the
    `receive_overflows` that were not."""
    reasons = []
    if cpu_cores >= BUSY_CORES:
        reasons.append(f"it used {cpu_cores:.2f} of one core")
    if lag_ms is not None and lag_ms.p99 > LATE_MS:
        reasons.append(f"its event loop was {lag_ms.p99:.0f} ms late at the 99th percentile")
    if receive_overflows > OVERFLOW_SHARE * (packets + receive_overflows):
        reasons.append(f"its sockets dropped {receive_overflows} datagrams that it did not read")
    return "; ".join(reasons)

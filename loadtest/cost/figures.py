"""What a packet, a message, a viewer and a socket cost the server."""

from __future__ import annotations

from loadtest.cost.processes import CpuSample
from loadtest.report.model import Cost


def cost_of(
    used: CpuSample,
    *,
    seconds: float,
    packets: int,
    messages: int,
    viewers: int,
    sockets: int,
    memory_before: int,
) -> Cost:
    """`used` is the last sample since the first of the measured part, `packets` and `messages` are
    what was delivered in it. `memory_before` is the resident memory before the first viewer and
    socket came, `viewers` and `sockets` who is there at the end."""
    cpu_us = (used.user_s + used.system_s) * 1e6
    grown_kib = (used.memory_bytes - memory_before) / 1024
    return Cost(
        seconds=seconds,
        user_s=used.user_s,
        system_s=used.system_s,
        cpu_us_per_packet=cpu_us / packets if packets else None,
        cpu_us_per_message=cpu_us / messages if messages else None,
        is_mixed=bool(packets and messages),
        memory_kib_per_viewer=grown_kib / viewers if viewers else None,
        memory_kib_per_socket=grown_kib / sockets if sockets else None,
        memory_bytes=used.memory_bytes,
        processes=used.costs(),
    )

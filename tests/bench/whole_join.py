"""A whole join as a real server has it: WHEP over HTTP, ICE and DTLS over UDP, up to SRTP keys.

The server runs as a process of its own, with the store that it starts; light clients join one after
the other from here. What is counted is the CPU of the server's process, nanoseconds from
`/proc/PID/task/*/schedstat`, and that of the store beside it.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from loadtest.rtc.light_peer import LightPeer
from tests.support.server import ServerProcess

ROOM = "bench"


@dataclass(slots=True)
class WholeRow:
    """Microseconds of CPU per join, kernel included."""

    joins: int
    server_us: float
    store_us: float


def cpu_ns(pid: int) -> int:
    """Of all threads of a process."""
    spent = 0
    for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with contextlib.suppress(OSError):  # a thread that has just ended
            spent += int(path.read_text().split()[0])
    return spent


def children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(each) for each in listed.split()]


async def measure_whole(joins: int, warm_up: int) -> WholeRow:
    """All together stay below what one address may ask in a burst (200 offers)."""
    with tempfile.TemporaryDirectory() as folder:
        server = ServerProcess(Path(folder), LIANMAI_PROJECTOR="off", LIANMAI_MEDIA_WORKERS="0")
        await server.start()
        peers: list[LightPeer] = []
        try:
            async with aiohttp.ClientSession(server.url) as http:
                host = LightPeer("sendonly", video_codecs=("VP8",))
                peers.append(host)
                await host.connect(http, f"/whip/{ROOM}", server.token("host", "host", ROOM))
                for number in range(warm_up):
                    await _join(http, server, number, peers)
                pid = server.process.pid
                before, store_before = cpu_ns(pid), sum(map(cpu_ns, children(pid)))
                for number in range(joins):
                    await _join(http, server, warm_up + number, peers)
                spent = cpu_ns(pid) - before
                store_spent = sum(map(cpu_ns, children(pid))) - store_before
        finally:
            for peer in peers:
                await peer.close()
            await server.stop()
    return WholeRow(joins, round(spent / joins / 1000, 1), round(store_spent / joins / 1000, 1))


async def _join(
    http: aiohttp.ClientSession, server: ServerProcess, number: int, peers: list[LightPeer]
) -> None:
    """One more of `peers`, whom the caller closes."""
    peer = LightPeer("recvonly")
    peers.append(peer)
    token = server.token(f"viewer{number}", "viewer", ROOM)
    await peer.connect(http, f"/whep/{ROOM}", token)


def whole(joins: int, warm_up: int) -> WholeRow:
    return asyncio.run(measure_whole(joins, warm_up))

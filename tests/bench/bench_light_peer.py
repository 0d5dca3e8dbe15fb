"""What one received packet costs a light viewer: reading and counting, by packets per call.

    python -m tests.bench.bench_light_peer [--quick]

CPU time of this thread around the reading alone, kernel included; the sending is not counted.
`heads` is a viewer that only counts, `whole` reads whole datagrams with the kernel's time and
looks at each as a viewer with feedback does.
"""

from __future__ import annotations

import argparse
import socket
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from loadtest.rtc.peer_counts import PeerCounts
from loadtest.rtc.reception import Reception
from loadtest.rtc.recvmmsg import HEAD_BYTES, SO_TIMESTAMPNS, WHOLE_BYTES, Receiver
from tests.bench.bench_fanout import describe_machine

PACKET_BYTES = 1178
"""A full packet of Chromium's video under SRTP."""
PER_CALL = (1, 4, 16, 64)


@dataclass(frozen=True, slots=True)
class Row:
    """Microseconds of CPU per packet, median of the rounds."""

    per_call: int
    heads_us: float
    whole_us: float


def cost_us(per_call: int, packets: int, *, whole: bool) -> float:
    """Send `per_call` packets, take the time of reading them, and so on."""
    reception = Reception(time.monotonic, PeerCounts())
    reader = Receiver(WHOLE_BYTES if whole else HEAD_BYTES, timestamps=whole)
    spent_ns = seq = 0
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
    ):
        receiver.bind(("127.0.0.1", 0))
        if whole:
            receiver.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        sender.connect(receiver.getsockname())
        rest = bytes(4) + b"\x00\x00\x00\x09" + bytes(PACKET_BYTES - 12)
        for _ in range(max(1, packets // per_call)):
            for _ in range(per_call):
                sender.send(b"\x80\x60" + (seq & 0xFFFF).to_bytes(2, "big") + rest)
                seq += 1
            began_ns = time.thread_time_ns()
            count = reader.receive(receiver.fileno())
            if whole:
                reception.take_whole(reader, count)
            else:
                reception.take_heads(reader, count)
            spent_ns += time.thread_time_ns() - began_ns
    (stream,) = reception.streams.values()
    assert (stream.packets, stream.holes) == (seq, 0), "the socket's buffer holds one call"
    return spent_ns / seq / 1000


def run(quick: bool) -> list[Row]:
    packets, rounds = (256, 1) if quick else (50_000, 5)
    return [
        Row(
            per_call,
            *(
                statistics.median(cost_us(per_call, packets, whole=whole) for _ in range(rounds))
                for whole in (False, True)
            ),
        )
        for per_call in PER_CALL
    ]


def main(arguments: Sequence[str]) -> list[Row]:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="few packets: does it still run?")
    rows = run(parser.parse_args(arguments).quick)
    print(" · ".join(f"{name} {value}" for name, value in describe_machine().items()))
    print("packets per call  heads us  whole us")
    for row in rows:
        print(f"{row.per_call:16}  {row.heads_us:8.2f}  {row.whole_us:8.2f}")
    return rows


if __name__ == "__main__":
    main(sys.argv[1:])

"""What one delivered packet costs: fan-out, SRTP (AES-128-GCM) and UDP send, by subscribers.

    python -m tests.bench.bench_fanout [--quick] [--json FILE]

CPU time of this process, so a busy machine does not matter much; the kernel's half of loopback
delivery is included. Nobody reads the receiving socket: its queue fills and the kernel drops.
Steps are measured one on top of the other: plan and header writing alone, with SRTP, with sends.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from media.downlink import Downlink, OutOptions, OutStream, Protector
from media.fanout import FanOutCounters, RunSender, fan_out
from media.forwarder import Feed
from media.ice import Address
from media.ports import MediaPorts
from media.rtp import ABS_SEND_TIME_URI, MID_URI, SourcePacket
from media.srtp import AEAD_AES_128_GCM, OutBuffer, SrtpSender
from media.tcp import TcpPort
from media.udp import UdpPort
from tests.support.rtp_kit import vp8_payload

PAYLOAD_BYTES = 1150
"""A full packet of Chromium's video."""


@dataclass(frozen=True, slots=True)
class Row:
    """Microseconds of CPU per delivered packet, median of the rounds."""

    subscribers: int
    batch: int
    plan_us: float
    srtp_us: float
    total_us: float


class NoProtection:
    """Leaves packets as they are, to see what the rest costs."""

    tag_bytes = 0

    def protect_into(self, buffer: OutBuffer, offset: int, length: int, /) -> int:
        return length

    def protect_rtp(self, data: bytes, /) -> bytes:
        return data


class NoSender:
    """Sends nothing, to see what the rest costs."""

    def send(self, data: bytes | memoryview, address: Address, /) -> None:
        return

    def send_run(self, view: memoryview, segment_bytes: int, address: Address, /) -> None:
        return


def make_streams(
    count: int, protector: Callable[[], Protector], address: Address
) -> list[OutStream]:
    streams = []
    for number in range(count):
        downlink = Downlink(protector(), address)
        stream = downlink.add_stream(
            OutOptions(
                mid="0",
                kind="video",
                ssrc=0x10000 + number,
                rtx_ssrc=0x20000 + number,
                first_seq=number * 7 % 32768,
                first_timestamp=number * 1_000_003,
                first_rtx_seq=1,
                extension_ids={MID_URI: 4, ABS_SEND_TIME_URI: 2},
            )
        )
        stream.point(Feed(1, 96, 97, 90_000, "seat-0"))
        streams.append(stream)
    return streams


def make_batches(batch: int, packets: int) -> list[list[SourcePacket]]:
    """Frames of `batch` packets, the last of which is shorter."""
    batches = []
    for first in range(0, packets, batch):
        made = []
        for ext_seq in range(first, first + batch):
            size = PAYLOAD_BYTES if batch == 1 or ext_seq + 1 < first + batch else 600
            payload = vp8_payload(keyframe=first == 0, picture_id=first, body=bytes(size))
            made.append(
                SourcePacket(
                    source_id=1,
                    ssrc=1,
                    ext_seq=ext_seq,
                    ext_timestamp=first * 3000,
                    arrival=first / 30,
                    payload=payload,
                    is_keyframe_start=ext_seq == 0,
                )
            )
        batches.append(made)
    return batches


def cpu_per_packet_us(
    streams: Sequence[OutStream], sender: RunSender, batches: Sequence[Sequence[SourcePacket]]
) -> float:
    buffer, counters = OutBuffer(), FanOutCounters()
    started = time.process_time_ns()
    for stamp, packets in enumerate(batches):
        fan_out(
            packets,
            streams,
            sender=sender,
            buffer=buffer,
            stamp=stamp & 0xFFFFFF,
            counters=counters,
        )
    return (time.process_time_ns() - started) / 1000 / counters.packets


def measure(subscribers: int, batch: int, deliveries: int, rounds: int, port: RunSender) -> Row:
    packets = max(batch * 4, deliveries // subscribers)
    batches = make_batches(batch, packets - packets % batch)
    sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sink.bind(("127.0.0.1", 0))
    address = sink.getsockname()

    def gcm() -> Protector:
        return SrtpSender(AEAD_AES_128_GCM, bytes(28))

    steps: list[tuple[Callable[[], Protector], RunSender]] = [
        (NoProtection, NoSender()),
        (gcm, NoSender()),
        (gcm, port),
    ]
    figures = []
    with sink:
        for protector, sender in steps:
            runs = [
                cpu_per_packet_us(make_streams(subscribers, protector, address), sender, batches)
                for _ in range(rounds)
            ]
            figures.append(round(statistics.median(runs), 2))
    return Row(subscribers, batch, *figures)


def describe_machine() -> dict[str, str]:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    return {
        "machine": f"{platform.machine()} {platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
        "commit": commit or "unknown",
    }


def run(quick: bool) -> list[Row]:
    loop = asyncio.new_event_loop()
    port = UdpPort(loop, "127.0.0.1", 0, lambda datagrams, now: None)
    beside = TcpPort(loop, "127.0.0.1", 0, lambda datagrams, now: None)
    ports = MediaPorts(port, beside)  # as the server has it: every run is looked at for its port
    try:
        deliveries, rounds = (400, 1) if quick else (40_000, 5)
        return [
            measure(subscribers, batch, deliveries, rounds, ports)
            for batch in (1, 3, 10)
            for subscribers in ((1, 10) if quick else (1, 10, 50, 200))
        ]
    finally:
        beside.close()
        port.close()
        loop.close()


def main(arguments: Sequence[str]) -> list[Row]:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="few packets: does it still run?")
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    chosen = parser.parse_args(arguments)
    rows = run(chosen.quick)
    about = describe_machine()
    print(" · ".join(f"{name} {value}" for name, value in about.items()))
    print("subscribers  batch  plan+write us  +SRTP us  +send us")
    for row in rows:
        print(
            f"{row.subscribers:11}  {row.batch:5}  {row.plan_us:13.2f}  {row.srtp_us:8.2f}"
            f"  {row.total_us:8.2f}"
        )
    if chosen.json is not None:
        chosen.json.write_text(json.dumps({**about, "rows": [asdict(row) for row in rows]}))
    return rows


if __name__ == "__main__":
    main(sys.argv[1:])

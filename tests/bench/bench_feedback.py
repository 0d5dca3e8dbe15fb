"""What viewers cost who only watch: CPU for what their browsers send all the time.

    python -m tests.bench.bench_feedback [--quick] [--json FILE]

Through the whole media plane, decryption included, without the kernel: the compound of a report and
an estimate that comes every second, a request for two lost packets, a picture loss, and the
connectivity check that comes every 2.5 s or more often. `parse` is the reading of the report's
plain bytes alone.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from media import rtcp
from media.feedback import read_feedback_untrusted
from media.seam import SlotLive
from tests.bench.bench_fanout import describe_machine
from tests.support.plane_client import Viewer
from tests.support.plane_world import World

AUDIO, VIDEO = "0", "1"


@dataclass(slots=True)
class Row:
    """Microseconds of CPU for each datagram."""

    datagrams: int
    parse_us: float
    report_us: float
    nack_us: float
    pli_us: float
    check_us: float


def live_viewer(world: World) -> Viewer:
    host, viewer = world.publish("host"), world.play("ann")
    world.run(1.2)
    world.point(viewer, AUDIO, host.microphone_id, 1)
    world.point(viewer, VIDEO, host.camera_id, 1)
    world.run(1.3)
    assert len(world.of(SlotLive)) == 2, "the viewer sees and hears"
    return viewer


def compound(viewer: Viewer) -> bytes:
    """What Chromium sends every second: a report on each stream, its name, an estimate."""
    ssrcs = [viewer.media_ssrc[mid] for mid in (AUDIO, VIDEO)]
    reports = [rtcp.RtcpReceiverInfo(ssrc, 0, 0, 70_000, 12, 0x1234, 0x99) for ssrc in ssrcs]
    return (
        rtcp.build_receiver_report(1, reports)
        + rtcp.build_sdes(1, "5mXVEBe6S3yN8A0N")
        + rtcp.build_remb(1, 2_500_000, ssrcs)
    )


def each_us(count: int, rounds: int, run: Callable[[], object]) -> float:
    """The least of several rounds of `count` calls: others share the machine."""
    best = float("inf")
    for _ in range(rounds):
        started = time.process_time_ns()
        for _ in range(count):
            run()
        best = min(best, time.process_time_ns() - started)
    return round(best / count / 1000, 2)


def measure(count: int, rounds: int) -> Row:
    world = World()
    viewer = live_viewer(world)
    plain = compound(viewer)
    video = viewer.media_ssrc[VIDEO]
    newest = viewer.media(VIDEO)[-1].seq

    def through_plane(make: Callable[[], bytes]) -> float:
        ready = iter([(make(), viewer.address) for _ in range(count * rounds)])
        plane = world.plane

        def give() -> None:
            world.now += 0.0001
            plane.handle_datagrams([next(ready)], world.now)
            while plane.poll_transmit() is not None:
                pass

        return each_us(count, rounds, give)

    def protected(data: bytes) -> Callable[[], bytes]:
        assert viewer.srtp_out is not None, "the viewer is connected"
        sender = viewer.srtp_out
        return lambda: sender.protect_rtcp(data)

    return Row(
        count,
        each_us(count, rounds, lambda: read_feedback_untrusted(plain)),
        through_plane(protected(plain)),
        # What cannot be there any more: the answer itself is not what is measured.
        through_plane(protected(rtcp.build_nack(1, video, [newest - 9000, newest - 8999]))),
        through_plane(protected(rtcp.build_pli(1, video))),
        through_plane(viewer.check),
    )


def main(arguments: Sequence[str]) -> Row:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="few datagrams: does it still run?")
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    chosen = parser.parse_args(arguments)
    row = measure(50, 1) if chosen.quick else measure(2000, 7)
    about = describe_machine()
    print(" · ".join(f"{name} {value}" for name, value in about.items()))
    print("datagrams  parse us  report us  nack us  PLI us  check us")
    print(
        f"{row.datagrams:9}  {row.parse_us:8.1f}  {row.report_us:9.1f}  {row.nack_us:7.1f}"
        f"  {row.pli_us:6.1f}  {row.check_us:8.1f}"
    )
    if chosen.json is not None:
        chosen.json.write_text(json.dumps({**about, "rows": [asdict(row)]}))
    return row


if __name__ == "__main__":
    main(sys.argv[1:])

"""The process that moves packets between two TUN devices, and spoils them on the way.

    python -m loadtest.network.tun_link --inside FD --outside FD --conditions JSON --seed N

A process of its own, so that it takes no time from the event loop that measures. It answers each
line on stdin with a line of JSON (`LinkCounts`) on stdout, and ends with a last one when stdin
does; a line that is not empty names other conditions from now on. It dies with its parent.
"""

from __future__ import annotations

import argparse
import ctypes
import dataclasses
import json
import os
import random
import select
import signal
import sys
import time
from typing import Final

from loadtest.network.conditions import Conditions, LinkConditions
from loadtest.network.counts import LinkCounts
from loadtest.network.impairment import Impairment, ImpairmentCounts
from loadtest.network.tun import MTU_BYTES, VNET_HEADER_BYTES

_PR_SET_PDEATHSIG: Final = 1
_READ_BYTES: Final = VNET_HEADER_BYTES + MTU_BYTES
_READ_AT_MOST: Final = 256
"""Packets of one direction before the other one gets its turn: about 1 ms."""
_STDIN: Final = 0
_DESTINATION: Final = slice(VNET_HEADER_BYTES + 16, VNET_HEADER_BYTES + 20)
"""Where an IPv4 packet says whereto (RFC 791 §3.1)."""
_GROUPS: Final = b"\xe0"
"""224.0.0.0: groups and the broadcast have this address or a higher one."""


class Lane:
    """One direction: from one TUN descriptor, through its conditions, to the other."""

    def __init__(self, source: int, sink: int, conditions: Conditions, seed: str) -> None:
        self.source = source
        self._sink = sink
        self.impairment: Impairment[bytes] = Impairment(conditions, random.Random(seed))
        self.refused = 0
        """Packets that the kernel did not take."""

    def read(self) -> None:  # hot path
        """Take what waits, as far as it is IPv4 to somebody. To groups any program of this machine
        may send, Chromium does on every interface, and it is nobody's traffic here."""
        take, source, clock = self.impairment.take, self.source, time.monotonic
        for _ in range(_READ_AT_MOST):
            try:
                packet = os.read(source, _READ_BYTES)
            except BlockingIOError:
                return
            if packet[VNET_HEADER_BYTES] >> 4 == 4 and packet[_DESTINATION] < _GROUPS:
                take(packet, len(packet) - VNET_HEADER_BYTES, clock())

    def write(self, now: float) -> None:  # hot path
        """Hand over what is due."""
        for packet in self.impairment.due(now):
            try:
                os.write(self._sink, packet)
            except OSError:
                self.refused += 1


class TunLink:
    """Both directions and the questions of the parent."""

    def __init__(self, inside: int, outside: int, conditions: LinkConditions, seed: int) -> None:
        self._down = Lane(outside, inside, conditions.downlink, f"{seed} downlink")
        self._up = Lane(inside, outside, conditions.uplink, f"{seed} uplink")
        self._asked = b""

    def run(self) -> None:
        """Until stdin ends."""
        lanes = (self._down, self._up)
        sources = [_STDIN, *(lane.source for lane in lanes)]
        while True:
            # select, because its timeout is in microseconds; poll and epoll round up to 1 ms.
            readable, _, _ = select.select(sources, (), (), self._wait_s())
            for lane in lanes:
                if lane.source in readable:
                    lane.read()
                lane.write(time.monotonic())
            if _STDIN in readable:
                asked = os.read(_STDIN, 4096)
                self._answer(asked or b"\n")
                if not asked:
                    return

    def _answer(self, asked: bytes) -> None:
        *lines, self._asked = (self._asked + asked).split(b"\n")
        for line in lines:
            if line:
                conditions, now = conditions_from(line.decode()), time.monotonic()
                self._down.impairment.change(conditions.downlink, now)
                self._up.impairment.change(conditions.uplink, now)
            self._print()

    def _wait_s(self) -> float | None:
        deadlines = (lane.impairment.next_deadline() for lane in (self._down, self._up))
        soonest = min((at for at in deadlines if at is not None), default=None)
        return None if soonest is None else max(0.0, soonest - time.monotonic())

    def _print(self) -> None:
        counts = LinkCounts(
            downlink=self._down.impairment.counts(),
            uplink=self._up.impairment.counts(),
            overrun=self._down.refused + self._up.refused,
            cpu_s=time.process_time(),
        )
        print(json.dumps(dataclasses.asdict(counts)), flush=True)


def arguments_for(inside: int, outside: int, conditions: LinkConditions, seed: int) -> list[str]:
    """The command line that `main` reads."""
    return [
        *("--inside", str(inside), "--outside", str(outside), "--seed", str(seed)),
        *("--conditions", text_of(conditions)),
        *("--parent", str(os.getpid())),
    ]


def text_of(conditions: LinkConditions) -> str:
    """One line; `conditions_from` reads it."""
    return json.dumps(dataclasses.asdict(conditions))


def conditions_from(text: str) -> LinkConditions:
    given = json.loads(text)
    return LinkConditions(
        downlink=Conditions(**given["downlink"]), uplink=Conditions(**given["uplink"])
    )


def counts_from(line: str) -> LinkCounts:
    """What a line of the process says."""
    given = json.loads(line)
    down, up = ImpairmentCounts(**given.pop("downlink")), ImpairmentCounts(**given.pop("uplink"))
    return LinkCounts(downlink=down, uplink=up, **given)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="loadtest.network.tun_link")
    for name in ("--inside", "--outside", "--seed", "--parent"):
        parser.add_argument(name, type=int, required=True)
    parser.add_argument("--conditions", type=conditions_from, required=True)
    args = parser.parse_args(argv)
    # Ctrl-C goes to the whole process group, and the parent still wants the last counts.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != args.parent:
        sys.exit("the parent died first")
    # select takes descriptors below 1024 only; a parent with thousands of sockets passes higher.
    inside, outside = os.dup(args.inside), os.dup(args.outside)
    os.close(args.inside)
    os.close(args.outside)
    TunLink(inside, outside, args.conditions, args.seed).run()


if __name__ == "__main__":
    main()

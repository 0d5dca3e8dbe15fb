"""The process without TUN devices: its lanes move datagrams between socket pairs just as well."""

from __future__ import annotations

import dataclasses
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from loadtest.network.conditions import Conditions, LinkConditions
from loadtest.network.counts import LinkCounts
from loadtest.network.impairment import ImpairmentCounts
from loadtest.network.tun import VNET_HEADER_BYTES
from loadtest.network.tun_link import Lane, arguments_for, conditions_from, counts_from

IPV4 = bytes(VNET_HEADER_BYTES) + b"\x45"
IPV6 = bytes(VNET_HEADER_BYTES) + b"\x60"
TO_A_GROUP = IPV4 + bytes(15) + bytes([224, 0, 0, 251])


@dataclass(frozen=True)
class Ends:
    """`near` is where a packet enters, `far` where it arrives."""

    lane: Lane
    near: socket.socket
    far: socket.socket


def ends_of(conditions: Conditions) -> Iterator[Ends]:
    pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(2)]
    (near, source), (sink, far) = pairs
    for end in (near, source, sink, far):
        end.setblocking(False)
    yield Ends(Lane(source.fileno(), sink.fileno(), conditions, "1"), near, far)
    for end in (near, source, sink, far):
        end.close()


@pytest.fixture
def ends() -> Iterator[Ends]:
    yield from ends_of(Conditions())


@pytest.fixture
def slow_ends() -> Iterator[Ends]:
    yield from ends_of(Conditions(delay_ms=60_000))


def test_packets_pass_with_their_header(ends: Ends) -> None:
    for number in range(5):
        ends.near.send(IPV4 + bytes([number]))
    ends.lane.read()
    at = ends.lane.impairment.next_deadline()
    assert at is not None
    ends.lane.write(at + 1)
    assert [ends.far.recv(100) for _ in range(5)] == [IPV4 + bytes([n]) for n in range(5)]
    assert ends.lane.impairment.counts() == ImpairmentCounts(packets_in=5, packets_out=5)
    assert ends.lane.refused == 0


def test_only_ipv4_to_somebody_counts(ends: Ends) -> None:
    ends.near.send(IPV6)
    ends.near.send(TO_A_GROUP)
    ends.near.send(IPV4)
    ends.lane.read()
    assert ends.lane.impairment.counts().packets_in == 1


def test_what_is_delayed_stays(slow_ends: Ends) -> None:
    slow_ends.near.send(IPV4)
    slow_ends.lane.read()
    at = slow_ends.lane.impairment.next_deadline()
    assert at is not None
    slow_ends.lane.write(at - 1)
    with pytest.raises(BlockingIOError):
        slow_ends.far.recv(100)


def test_what_the_kernel_refuses_is_counted(ends: Ends) -> None:
    ends.near.send(IPV4)
    ends.lane.read()
    ends.far.close()
    at = ends.lane.impairment.next_deadline()
    assert at is not None
    ends.lane.write(at)
    assert ends.lane.refused == 1


def test_conditions_survive_the_command_line() -> None:
    conditions = LinkConditions(
        downlink=Conditions(loss=0.05, burst=3, delay_ms=20, rate_bps=1e6),
        uplink=Conditions(delay_ms=10, jitter_ms=5, reorder=0.1, duplicate=0.2, queue_ms=7),
    )
    arguments = arguments_for(4, 5, conditions, 9)
    assert conditions_from(arguments[arguments.index("--conditions") + 1]) == conditions


def test_counts_survive_the_pipe() -> None:
    counts = LinkCounts(
        downlink=ImpairmentCounts(packets_in=3, lost=1, packets_out=2),
        uplink=ImpairmentCounts(queue_dropped=4, duplicated=5, reordered=6),
        overrun=7,
        cpu_s=0.25,
    )
    assert counts_from(json.dumps(dataclasses.asdict(counts))) == counts

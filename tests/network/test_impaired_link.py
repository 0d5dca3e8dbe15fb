"""Real packets over bad links. Needs root, iproute2, /dev/net/tun; says so in a line else."""

from __future__ import annotations

import asyncio
import hashlib
import math
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Final, Literal

import pytest

from loadtest.network import link_process
from loadtest.network.conditions import Conditions, LinkConditions
from loadtest.network.errors import NetworkError
from loadtest.network.impaired import How, ImpairedNetwork, impaired
from loadtest.network.impairment import ImpairmentCounts
from loadtest.network.namespace import remove_stale
from tests.network.test_namespace import ours

pytestmark = pytest.mark.alone

Way = Literal["downlink", "uplink"]
WAYS: Final[tuple[Way, ...]] = ("downlink", "uplink")
HOWS: Final[tuple[How, ...]] = ("tun", "netem")
"""Where the kernel lacks netem, its way is walked with what needs a shaper only."""

SEED = 7
PAYLOAD_BYTES = 1000
IP_BYTES = PAYLOAD_BYTES + 28
"""With the headers of UDP and IPv4: what a packet costs of a rate."""
TOGETHER = 50
"""Packets between two looks at the counts of the link, so that no queue is asked too much."""
SHAPER_BURST_BYTES = 3_200
"""What the kernel's shaper lets pass at once."""
# udp(7), socket(7); Python does not name them.
SOL_UDP, UDP_SEGMENT = 17, 103
SO_RCVBUFFORCE, SO_TIMESTAMPNS = 33, 35
MDNS: Final = ("224.0.0.251", 5353)
STAMP: Final = struct.Struct("!Id")
"""Number, and wall time of sending in seconds."""
TIMESPEC: Final = struct.Struct("@qq")

PARENT = """
import asyncio
from loadtest.network.conditions import Conditions
from loadtest.network.impaired import impaired

async def main():
    async with impaired(Conditions(), 1, how="tun") as network:
        print(network.pid, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@dataclass(frozen=True)
class Arrival:
    number: int
    sent_at: float
    arrived_at: float
    """By the kernel."""


@dataclass(frozen=True)
class Ends:
    """A sender that is connected to a receiver, over the link one way."""

    sender: socket.socket
    receiver: socket.socket

    @classmethod
    def of(cls, network: ImpairedNetwork, way: Way) -> Ends:
        inside, outside = network.namespace.udp(), socket.socket(type=socket.SOCK_DGRAM)
        inside.bind((network.inside_address, 0))
        outside.bind((network.gateway_address, 0))
        sender, receiver = (outside, inside) if way == "downlink" else (inside, outside)
        sender.connect(receiver.getsockname())
        receiver.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 * 1024 * 1024)
        receiver.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        for end in (sender, receiver):
            end.setblocking(False)
        return cls(sender, receiver)

    def close(self) -> None:
        self.sender.close()
        self.receiver.close()

    def send(self, number: int) -> None:
        stamp = STAMP.pack(number, time.time())
        self.sender.send(stamp + bytes(PAYLOAD_BYTES - len(stamp)))

    def take(self) -> Arrival:
        """The next one that waits; raises BlockingIOError."""
        datagram, ancillary, _, _ = self.receiver.recvmsg(2000, 64)
        assert len(datagram) == PAYLOAD_BYTES
        number, sent_at = STAMP.unpack_from(datagram)
        seconds, nanoseconds = TIMESPEC.unpack(ancillary[0][2])
        return Arrival(number, sent_at, seconds + nanoseconds / 1e9)

    def take_all(self, count: int) -> list[Arrival]:
        """So many, and that nothing else arrived. The link has handed all of them over."""
        arrived: list[Arrival] = []
        for _ in range(count):
            readable, _, _ = select.select([self.receiver], (), (), 10)
            assert readable, f"{len(arrived)} of {count} arrived"
            arrived.append(self.take())
        with pytest.raises(BlockingIOError):
            self.take()
        return arrived


async def settled(network: ImpairedNetwork, way: Way, sent: int) -> ImpairmentCounts:
    """The counts when all that was sent has entered the link and nothing is under way."""
    async with asyncio.timeout(30):
        while True:
            counts = getattr(await network.counters(), way)
            assert isinstance(counts, ImpairmentCounts)
            if counts.packets_in >= sent and not counts.under_way:
                return counts


async def carry(
    network: ImpairedNetwork, way: Way, count: int
) -> tuple[list[Arrival], ImpairmentCounts]:
    """Send so many packets that way; what arrived, and what the link says of all its time."""
    ends = Ends.of(network, way)
    before = getattr(await network.counters(), way)
    try:
        for number in range(count):
            ends.send(number)
            if number % TOGETHER == 0:
                assert (await network.counters()).overrun == 0
        counts = await settled(network, way, before.packets_in + count)
        return ends.take_all(counts.packets_out - before.packets_out), counts
    finally:
        ends.close()


@pytest.mark.parametrize("loss", [0.01, 0.05, 0.2])
@pytest.mark.parametrize("way", WAYS)
async def test_losses_are_as_asked_and_as_counted(way: Way, loss: float) -> None:
    count = 4000
    async with impaired(Conditions(loss=loss), SEED, how="tun") as network:
        arrived, counts = await carry(network, way, count)
        every = await network.counters()
    assert counts.packets_in == count
    assert counts.lost == count - len(arrived)
    assert abs(counts.lost / count - loss) < 4 * math.sqrt(loss * (1 - loss) / count)
    assert [arrival.number for arrival in arrived] == sorted({a.number for a in arrived})
    other = every.uplink if way == "downlink" else every.downlink
    assert other == ImpairmentCounts()
    assert every.overrun == 0


async def test_a_seed_loses_the_same_packets_again() -> None:
    runs = []
    for seed in (1, 1, 2):
        async with impaired(Conditions(loss=0.3, burst=2), seed, how="tun") as network:
            arrived, _ = await carry(network, "downlink", 200)
        runs.append([arrival.number for arrival in arrived])
    assert runs[0] == runs[1] != runs[2]


async def test_each_direction_has_its_delay() -> None:
    conditions = LinkConditions(downlink=Conditions(delay_ms=80), uplink=Conditions(delay_ms=240))
    delays_s: dict[Way, float] = {"downlink": 0.08, "uplink": 0.24}
    async with impaired(conditions, SEED, how="tun") as network:
        for way, delay_s in delays_s.items():
            arrived, counts = await carry(network, way, 200)
            took = [arrival.arrived_at - arrival.sent_at for arrival in arrived]
            assert counts.packets_out == 200
            assert delay_s <= min(took) < 2 * delay_s


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("how", HOWS)
async def test_the_rate_holds(how: How, way: Way) -> None:
    rate_bps, count = 1e6, 60
    conditions = Conditions(rate_bps=rate_bps, queue_ms=10_000)
    async with impaired(conditions, SEED, how=how) as network:
        arrived, counts = await carry(network, way, count)
    assert counts == ImpairmentCounts(packets_in=count, packets_out=count)
    times = [arrival.arrived_at for arrival in arrived]
    at_least_s = (count * IP_BYTES - SHAPER_BURST_BYTES) * 8 / rate_bps
    assert max(times) - min(times) >= at_least_s


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("how", HOWS)
async def test_what_the_queue_does_not_hold_is_dropped(how: How, way: Way) -> None:
    async with impaired(Conditions(rate_bps=1e5, queue_ms=500), SEED, how=how) as network:
        arrived, counts = await carry(network, way, 300)
    assert counts.packets_in == 300
    assert counts.lost == 0
    assert counts.queue_dropped == 300 - len(arrived)
    # 500 ms of the rate are 6 packets; some more leave while they are sent.
    assert 6 <= len(arrived) < 150


async def test_copies_arrive() -> None:
    async with impaired(Conditions(duplicate=1), SEED, how="tun") as network:
        arrived, counts = await carry(network, "downlink", 50)
    assert [arrival.number for arrival in arrived] == [n for n in range(50) for _ in range(2)]
    assert (counts.duplicated, counts.packets_out) == (50, 100)


async def test_reordered_packets_are_those_counted() -> None:
    async with impaired(Conditions(delay_ms=30, reorder=0.2), SEED, how="tun") as network:
        arrived, counts = await carry(network, "uplink", 300)
    order = [arrival.number for arrival in arrived]
    overtaken = sum(n < max(order[:place], default=-1) for place, n in enumerate(order))
    assert counts.reordered == overtaken > 0
    assert sorted(order) == list(range(300))


@pytest.mark.parametrize(
    ("how", "way"), [("tun", "downlink"), ("tun", "uplink"), ("netem", "downlink")]
)
async def test_a_train_is_impaired_packet_by_packet(how: How, way: Way) -> None:
    train = b"".join(
        STAMP.pack(number, 0.0) + bytes(PAYLOAD_BYTES - STAMP.size) for number in range(10)
    )
    async with impaired(Conditions(rate_bps=1e7), SEED, how=how) as network:
        ends = Ends.of(network, way)
        try:
            ends.sender.sendmsg([train], [(SOL_UDP, UDP_SEGMENT, struct.pack("=H", PAYLOAD_BYTES))])
            counts = await settled(network, way, 10)
            arrived = ends.take_all(10)
        finally:
            ends.close()
    assert counts == ImpairmentCounts(packets_in=10, packets_out=10)
    assert [arrival.number for arrival in arrived] == list(range(10))


@pytest.mark.parametrize("how", HOWS)
async def test_what_others_send_to_groups_is_not_of_the_link(how: How) -> None:
    """As Chromium does on every interface it finds, and the kernel for whoever joins a group."""
    async with impaired(Conditions(), SEED, how=how) as network:
        with socket.socket(type=socket.SOCK_DGRAM) as other:
            interface = socket.inet_aton(network.gateway_address)
            group = socket.inet_aton(MDNS[0])
            other.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, interface)
            other.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group + interface)
            other.sendto(b"who is there?", MDNS)
            arrived, counts = await carry(network, "downlink", 20)
    assert len(arrived) == 20
    assert counts == ImpairmentCounts(packets_in=20, packets_out=20)


async def test_other_conditions_hold_from_now_on() -> None:
    async with impaired(Conditions(), SEED, how="tun") as network:
        await carry(network, "downlink", 20)
        await network.change(LinkConditions(downlink=Conditions(loss=1)))
        _, cut = await carry(network, "downlink", 20)
        await network.change(LinkConditions())
        _, mended = await carry(network, "downlink", 20)
    assert (cut.lost, cut.packets_out) == (20, 20)
    assert (mended.lost, mended.packets_out) == (20, 40)


@pytest.mark.parametrize("how", HOWS)
async def test_a_stream_gets_through_whole(how: How) -> None:
    sent = os.urandom(300_000)
    digest = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        digest.set_result(hashlib.sha256(await reader.read(-1)).digest())
        writer.close()

    # The kernel's way has no losses here: this machine may lack netem.
    conditions = Conditions(loss=0.02 if how == "tun" else 0, rate_bps=2e7)
    async with impaired(conditions, SEED, how=how) as network:
        server = await asyncio.start_server(serve, "0.0.0.0", 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            client = network.namespace.tcp()
            client.setblocking(False)
            async with asyncio.timeout(30):
                address = (network.gateway_address, port)
                await asyncio.get_running_loop().sock_connect(client, address)
                _, writer = await asyncio.open_connection(sock=client)
                writer.write(sent)
                writer.write_eof()
                assert await digest == hashlib.sha256(sent).digest()
                writer.close()
                await writer.wait_closed()
        counts = await network.counters()
    assert counts.uplink.packets_in > 200
    assert (counts.uplink.lost > 0) == (how == "tun")


async def test_several_networks_at_once() -> None:
    async with (
        impaired(Conditions(), SEED) as one,
        impaired(Conditions(loss=1), SEED, how="tun") as other,
    ):
        assert one.gateway_address != other.gateway_address
        assert (await carry(one, "uplink", 20))[1].packets_out == 20
        assert (await carry(other, "uplink", 20))[1].lost == 20
    assert ours() == set()


@pytest.mark.parametrize("how", HOWS)
async def test_all_is_gone_after_an_error_and_the_counts_stay(how: How) -> None:
    seen: list[ImpairedNetwork] = []

    async def use() -> None:
        async with impaired(Conditions(), SEED, how=how) as network:
            seen.append(network)
            await carry(network, "uplink", 10)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await use()
    assert ours() == set()
    assert (await seen[0].counters()).uplink == ImpairmentCounts(packets_in=10, packets_out=10)


async def test_a_link_that_died_says_so() -> None:
    async with impaired(Conditions(), SEED, how="tun") as network:
        assert network.pid is not None
        os.kill(network.pid, signal.SIGKILL)
        with pytest.raises(NetworkError, match="the link's process ended"):
            await network.counters()
    assert ours() == set()


async def test_an_answer_that_came_too_late_is_not_taken_for_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with impaired(Conditions(), SEED, how="tun") as network:
        assert network.pid is not None
        ends = Ends.of(network, "uplink")
        os.kill(network.pid, signal.SIGSTOP)
        try:
            with monkeypatch.context() as patch:
                patch.setattr(link_process, "_ANSWER_S", 0.1)
                for _ in range(2):
                    with pytest.raises(NetworkError, match=r"did not answer within 0\.1 s"):
                        await network.counters()
        finally:
            os.kill(network.pid, signal.SIGCONT)
        try:
            ends.send(0)
            ends.take_all(1)  # it is awake, and has answered
            for number in range(1, 11):
                ends.send(number)
            ends.take_all(10)
            assert (await network.counters()).uplink.packets_out == 11
        finally:
            ends.close()


def test_the_link_dies_with_its_parent() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout:
        link = os.pidfd_open(int(parent.stdout.readline()))
        try:
            parent.kill()
            parent.wait()
            ended, _, _ = select.select([link], (), (), 10)
            assert ended == [link]
        finally:
            os.close(link)
    remove_stale()
    assert not any(str(parent.pid) in name for name in os.listdir("/run/netns"))

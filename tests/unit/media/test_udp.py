"""The UDP port on real sockets: batches, runs cut by the kernel, fall-backs, what is counted."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Iterator

import pytest
import uvloop

from media.ice import Address
from media.udp import (
    BATCH_DATAGRAMS,
    MAX_RUN_BYTES,
    MAX_RUN_SEGMENTS,
    SOCKET_BUFFER_BYTES,
    UdpPort,
    probe_gso,
)

Batch = list[tuple[bytes, Address]]


class Receiver:
    """Collects what a port hands over; `wait_for` ends when so many datagrams came."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.arrived = asyncio.Event()

    def __call__(self, batch: Batch, now: float) -> None:
        assert abs(now - asyncio.get_running_loop().time()) < 5
        self.batches.append(batch)
        self.arrived.set()

    @property
    def datagrams(self) -> list[bytes]:
        return [data for batch in self.batches for data, _ in batch]

    async def wait_for(self, count: int) -> list[bytes]:
        async with asyncio.timeout(10):
            while len(self.datagrams) < count:
                self.arrived.clear()
                await self.arrived.wait()
        return self.datagrams


@contextlib.contextmanager
def open_port(host: str = "127.0.0.1") -> Iterator[tuple[UdpPort, Receiver]]:
    receiver = Receiver()
    port = UdpPort(asyncio.get_running_loop(), host, 0, receiver)
    try:
        yield port, receiver
    finally:
        port.close()
        port.close()


async def test_what_arrived_together_comes_in_one_batch() -> None:
    with open_port() as (port, receiver), open_port() as (other, _):
        for index in range(5):
            assert other.send(bytes([index]), port.address)
        assert await receiver.wait_for(5) == [bytes([index]) for index in range(5)]
        assert len(receiver.batches) == 1
        assert receiver.batches[0][0][1] == other.address
        stats = port.stats()
        assert (stats.datagrams_in, stats.bytes_in, stats.batches) == (5, 5, 1)
        assert other.stats().datagrams_out == 5


async def test_a_flood_is_cut_into_batches_and_loses_nothing() -> None:
    count = BATCH_DATAGRAMS * 2 + 10
    with open_port() as (port, receiver), open_port() as (other, _):
        for index in range(count):
            assert other.send(index.to_bytes(2, "big"), port.address)
        await receiver.wait_for(count)
        assert max(len(batch) for batch in receiver.batches) == BATCH_DATAGRAMS


def run_of(sizes: list[int]) -> tuple[memoryview, list[bytes]]:
    datagrams = [bytes([index % 256]) * size for index, size in enumerate(sizes)]
    return memoryview(bytearray(b"".join(datagrams))), datagrams


@pytest.mark.parametrize(
    "sizes",
    [
        [1100],
        [1100, 1100],
        [1100, 1100, 1],
        [1000] * MAX_RUN_SEGMENTS,
        [1000] * (MAX_RUN_SEGMENTS - 1) + [999],
        [MAX_RUN_BYTES // 60] * 60,
        [1] * MAX_RUN_SEGMENTS,
    ],
)
@pytest.mark.parametrize("gso", [True, False])
async def test_a_run_arrives_as_its_datagrams(sizes: list[int], gso: bool) -> None:
    view, datagrams = run_of(sizes)
    with open_port() as (port, receiver), open_port() as (other, _):
        other.gso = gso
        assert other.send_run(view, sizes[0], port.address)
        assert await receiver.wait_for(len(sizes)) == datagrams
        stats = other.stats()
        assert stats.datagrams_out == len(sizes)
        assert stats.bytes_out == sum(sizes)
        assert stats.send_calls == (1 if gso else len(sizes))
        assert stats.gso_fallbacks == 0


async def test_a_run_the_kernel_will_not_cut_goes_out_singly() -> None:
    # More segments than the kernel takes at once: EINVAL there, single sends here.
    view, datagrams = run_of([10] * 200)
    with open_port() as (port, receiver), open_port() as (other, _):
        assert other.send_run(view, 10, port.address)
        assert await receiver.wait_for(200) == datagrams
        assert other.stats().gso_fallbacks == 1
        assert other.gso, "one refused run says nothing of the next"


async def test_what_the_kernel_refuses_is_counted_and_never_raised() -> None:
    with open_port() as (port, _):
        assert not port.send(b"x", ("127.0.0.1", 0))
        assert not port.send(bytes(70_000), port.address)
        view, _datagrams = run_of([100, 100])
        assert not port.send_run(view, 100, ("127.0.0.1", 0))
        stats = port.stats()
        assert stats.send_errors >= 3
        assert stats.datagrams_out == 0


@pytest.mark.parametrize("code", [errno.EAGAIN, errno.ENOBUFS])
async def test_a_full_socket_drops_and_counts(code: int) -> None:
    # Loopback never fills a send buffer (it drops at the receiver), so the count is fed by hand.
    with open_port() as (port, _):
        port._count_failure(OSError(code, "full"), 3)
        assert port.stats().dropped_full == 3


async def test_dual_stack_takes_both_families() -> None:
    with open_port("::") as (port, receiver):
        number = port.address[1]
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as four,
            socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as six,
        ):
            four.bind(("127.0.0.1", 0))
            four.sendto(b"four", ("127.0.0.1", number))
            six.sendto(b"six", ("::1", number))
            assert sorted(await receiver.wait_for(2)) == [b"four", b"six"]
            hosts = {data: address for batch in receiver.batches for data, address in batch}
            assert hosts[b"four"][0] == "::ffff:127.0.0.1"
            assert port.send(b"back", hosts[b"four"])
            four.settimeout(5)
            assert four.recv(10) == b"back"


async def test_buffers_report_what_was_granted() -> None:
    with open_port() as (port, _):
        stats = port.stats()
        assert 0 < stats.receive_buffer_bytes <= SOCKET_BUFFER_BYTES
        assert 0 < stats.send_buffer_bytes <= SOCKET_BUFFER_BYTES


async def test_small_buffers_are_named_with_the_remedy() -> None:
    with open_port() as (port, _):
        port.receive_buffer_bytes = port.send_buffer_bytes = SOCKET_BUFFER_BYTES
        assert port.shortage() is None
        port.receive_buffer_bytes = SOCKET_BUFFER_BYTES // 2
        said = port.shortage()
        assert said is not None
        assert f"net.core.rmem_max={SOCKET_BUFFER_BYTES}" in said
        assert "wmem_max" not in said


async def test_a_taken_port_is_an_error_at_once() -> None:
    with open_port() as (port, receiver), pytest.raises(OSError, match="in use"):
        UdpPort(asyncio.get_running_loop(), "127.0.0.1", port.address[1], receiver)


async def test_nothing_comes_after_close() -> None:
    with open_port() as (port, receiver), open_port() as (other, sentinel):
        address = port.address
        port.close()
        other.send(b"late", address)
        other.send(b"sentinel", other.address)
        await sentinel.wait_for(1)
        assert receiver.batches == []


def test_it_works_on_uvloop() -> None:
    async def main() -> None:
        with open_port() as (port, receiver), open_port() as (other, _):
            view, datagrams = run_of([1000, 1000, 10])
            assert other.send_run(view, 1000, port.address)
            assert await receiver.wait_for(3) == datagrams

    uvloop.run(main())


def test_this_kernel_has_gso() -> None:
    assert probe_gso()

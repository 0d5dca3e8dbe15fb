"""The TCP port on real sockets: frames both ways, who may stay, and readers who do not read."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import AsyncIterator

import pytest
import uvloop

from media.framing import MAX_FRAME_BYTES, Deframer, framed
from media.ice import Address, TcpAddress
from media.tcp import MAX_PENDING_BYTES, MEDIA_PENDING_BYTES, TcpPort, guests_for
from media.tcp_guests import MAX_STRANGERS_PER_HOST, GuestList

PATIENCE_S = 10.0


class Receiver:
    """Collects what a port hands over."""

    def __init__(self) -> None:
        self.datagrams: list[tuple[bytes, Address]] = []
        self._arrived = asyncio.Event()

    def __call__(self, batch: list[tuple[bytes, Address]], now: float) -> None:
        assert abs(now - asyncio.get_running_loop().time()) < 5
        self.datagrams += batch
        self._arrived.set()

    async def wait_for(self, count: int) -> list[bytes]:
        async with asyncio.timeout(PATIENCE_S):
            while len(self.datagrams) < count:
                self._arrived.clear()
                await self._arrived.wait()
        return [data for data, _ in self.datagrams]

    @property
    def address(self) -> Address:
        return self.datagrams[-1][1]


class Client:
    """The other end, with a socket of its own making."""

    def __init__(self, opened: socket.socket) -> None:
        self.socket = opened
        self._deframer = Deframer()
        self._frames: list[bytes] = []

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.socket, data)

    async def read(self) -> bytes:
        """Some bytes; none at the end. Unread data of ours makes the end a reset."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                return await asyncio.get_running_loop().sock_recv(self.socket, 65536)
            except ConnectionResetError:
                return b""

    async def frames(self, count: int) -> list[bytes]:
        while len(self._frames) < count:
            data = await self.read()
            assert data, "closed before so many frames came"
            self._frames += self._deframer.frames_untrusted(data)
        taken, self._frames = self._frames[:count], self._frames[count:]
        return taken

    async def wait_end(self) -> None:
        while await self.read():
            pass


class Hall:
    """A port on loopback, and clients that are closed with it."""

    def __init__(self, guests: GuestList | None = None, host: str = "127.0.0.1") -> None:
        self.receiver = Receiver()
        self.host = host
        self.port = TcpPort(asyncio.get_running_loop(), host, 0, self.receiver, guests)
        self.clients: list[Client] = []

    async def connect(self, receive_buffer_bytes: int = 0) -> Client:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        opened = socket.socket(family, socket.SOCK_STREAM)
        self.clients.append(Client(opened))
        if receive_buffer_bytes:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        opened.setblocking(False)
        await asyncio.get_running_loop().sock_connect(opened, self.port.address)
        return self.clients[-1]

    async def introduced(self, receive_buffer_bytes: int = 0) -> tuple[Client, Address]:
        """A client that has sent a frame, and the address by which it is known."""
        client = await self.connect(receive_buffer_bytes)
        before = len(self.receiver.datagrams)
        await client.send(framed(b"hello"))
        await self.receiver.wait_for(before + 1)
        return client, self.receiver.address


@contextlib.asynccontextmanager
async def hall(guests: GuestList | None = None, host: str = "127.0.0.1") -> AsyncIterator[Hall]:
    opened = Hall(guests, host)
    try:
        yield opened
    finally:
        for client in opened.clients:
            client.socket.close()
        opened.port.close()
        opened.port.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_frames_come_in_and_go_out(host: str) -> None:
    async with hall(host=host) as place:
        client, address = await place.introduced()
        assert isinstance(address, TcpAddress)
        assert address[:2] == client.socket.getsockname()[:2]
        stream = framed(b"one") + framed(b"t" * MAX_FRAME_BYTES) + framed(b"three")
        for start in range(0, len(stream), 700):
            await client.send(stream[start : start + 700])
        received = await place.receiver.wait_for(4)
        assert received == [b"hello", b"one", b"t" * MAX_FRAME_BYTES, b"three"]
        assert place.port.send_control(b"answer", address)
        assert place.port.send_run(memoryview(b"aabbc"), 2, address)
        assert place.port.send(b"alone", address)
        assert await client.frames(5) == [b"answer", b"aa", b"bb", b"c", b"alone"]
        stats = place.port.stats()
        assert (stats.open, stats.accepted, stats.datagrams_in, stats.datagrams_out) == (1, 1, 4, 5)
        assert stats.bytes_in == 7 + len(stream)
        assert client.socket.getpeername() == place.port.address


def test_both_event_loops_serve_it() -> None:
    async def exchange() -> list[bytes]:
        async with hall() as place:
            client, address = await place.introduced()
            place.port.send(b"back", address)
            return await client.frames(1)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(exchange()) == [b"back"]


@pytest.mark.parametrize("prefix", [b"\x00\x00", b"\x08\x01", b"GET / HTTP/1.1\r\n\r\n"])
async def test_what_is_no_frame_ends_the_connection(prefix: bytes) -> None:
    async with hall() as place:
        client, address = await place.introduced()
        await client.send(prefix)
        await client.wait_end()
        stats = place.port.stats()
        assert (stats.open, stats.closed) == (0, {"bad_frame": 1})
        assert not place.port.send(b"late", address)
        assert not place.port.send_run(memoryview(b"aabbc"), 2, address)
        assert not place.port.send_control(b"late", address)
        assert place.port.stats().dropped_gone == 5


async def test_whoever_proves_nothing_is_sent_away() -> None:
    async with hall(GuestList(prove_within_s=0.0)) as place:
        client, _ = await place.introduced()
        await client.wait_end()
        assert place.port.stats().closed == {"unproven": 1}


async def test_whoever_was_answered_stays_and_goes_when_nothing_is_sent_any_more() -> None:
    async with hall(GuestList(prove_within_s=0.0, quiet_for_s=0.0)) as place:
        client, address = await place.introduced()
        place.port.send_control(b"answer", address)
        await client.wait_end()
        assert place.port.stats().closed == {"quiet": 1}


async def test_too_many_strangers_are_refused_until_one_is_known() -> None:
    async with hall(GuestList(max_strangers_per_host=2)) as place:
        _, address = await place.introduced()
        await place.introduced()
        refused = await place.connect()
        await refused.wait_end()
        assert (place.port.stats().open, place.port.stats().refused) == (2, 1)
        place.port.send_control(b"answer", address)
        await place.introduced()
        assert place.port.stats().open == 3


@pytest.mark.parametrize(
    ("open_files", "strangers"), [(1024, 128), (1_000_000, 2_000), (None, 2_000)]
)
def test_strangers_leave_files_for_others(open_files: int | None, strangers: int) -> None:
    guests = guests_for(open_files)
    hosts = [f"h{number // MAX_STRANGERS_PER_HOST}" for number in range(3_000)]
    assert sum(guests.admit(host, 0.0) is not None for host in hosts) == strangers


async def test_a_slow_reader_loses_media_and_the_rest_arrives_whole() -> None:
    async with hall() as place:
        client, address = await place.introduced(receive_buffer_bytes=4096)
        run = memoryview(bytes(range(200)) * 50)
        sent = 0
        while place.port.send_run(run, 1000, address):
            sent += 10
        assert sent * 1000 > MEDIA_PENDING_BYTES
        assert place.port.stats().dropped_full == 10
        assert not place.port.send(b"media", address)
        assert place.port.stats().dropped_full == 11
        assert place.port.send_control(b"check", address), "what keeps the path alive still goes"
        frames = await client.frames(sent + 1)
        assert frames == [bytes(range(200)) * 5] * sent + [b"check"]
        assert place.port.send_run(run, 1000, address), "it has caught up"


async def test_a_reader_of_nothing_is_closed() -> None:
    async with hall() as place:
        _, address = await place.introduced(receive_buffer_bytes=4096)
        written = 0
        while place.port.send_control(b"c" * 1000, address):
            written += 1002
        assert written > MAX_PENDING_BYTES
        assert place.port.stats().closed == {"slow": 1}


async def test_a_peer_that_leaves_is_forgotten() -> None:
    async with hall() as place:
        client, address = await place.introduced()
        client.socket.close()
        stayed, _ = await place.introduced()
        # The end of the first came before the connection of the second.
        assert place.port.stats().closed == {"ended": 1}
        assert not place.port.send(b"late", address)
        assert stayed.socket.fileno() >= 0


async def test_a_taken_port_is_an_error() -> None:
    async with hall() as place:
        loop = asyncio.get_running_loop()
        with pytest.raises(OSError) as refused:
            TcpPort(loop, place.host, int(place.port.address[1]), place.receiver)
        assert refused.value.errno == errno.EADDRINUSE

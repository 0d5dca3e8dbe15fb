"""Many datagrams a call, over real sockets."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from loadtest.rtc.recvmmsg import HEAD_BYTES, SO_TIMESTAMPNS, WHOLE_BYTES, Receiver


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """(sender, receiver), connected to each other."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
    ):
        for each in (sender, receiver):
            each.bind(("127.0.0.1", 0))
        sender.connect(receiver.getsockname())
        receiver.connect(sender.getsockname())
        receiver.setblocking(False)
        yield sender, receiver


def packet(seq: int, size: int) -> bytes:
    header = b"\x80\xe0" + seq.to_bytes(2, "big") + b"\x00\x00\x00\x05\x00\x00\x00\x09"
    return (header + bytes(n % 251 for n in range(size)))[:size]


@pytest.mark.parametrize("datagram_bytes", [HEAD_BYTES, WHOLE_BYTES])
def test_headers_true_lengths_and_contents(
    pair: tuple[socket.socket, socket.socket], datagram_bytes: int
) -> None:
    sender, receiver = pair
    reader = Receiver(datagram_bytes, timestamps=False, batch=4)
    sizes = [12, 255, 256, 257, 1200, 1500]
    for seq, size in enumerate(sizes):
        sender.send(packet(seq, size))
    got: list[tuple[int, int]] = []
    while count := reader.receive(receiver.fileno()):
        lengths = reader.lengths(count)
        for index, (first, second, seq, timestamp, ssrc) in enumerate(reader.headers(count)):
            assert (first, second, timestamp, ssrc) == (0x80, 0xE0, 5, 9)
            whole = packet(seq, lengths[index])
            assert reader.datagram(index, lengths[index]) == whole[:datagram_bytes]
            got.append((seq, lengths[index]))
    assert got == list(enumerate(sizes))


def test_the_kernel_says_when_each_came(pair: tuple[socket.socket, socket.socket]) -> None:
    sender, receiver = pair
    receiver.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    reader = Receiver(WHOLE_BYTES, timestamps=True)
    for _ in range(3):  # the arrays serve again and again
        before = time.time_ns()
        for seq in range(3):
            sender.send(packet(seq, 100))
        after = time.time_ns()
        assert reader.receive(receiver.fileno()) == 3
        arrivals = [seconds * 10**9 + nanos for seconds, nanos in reader.arrivals(3)]
        assert arrivals == sorted(arrivals)
        assert before <= arrivals[0]
        assert arrivals[-1] <= after


def test_an_icmp_error_hides_nothing(pair: tuple[socket.socket, socket.socket]) -> None:
    sender, receiver = pair
    reader = Receiver(HEAD_BYTES, timestamps=False)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = closed.getsockname()
    own = receiver.getsockname()
    receiver.connect(nobody)
    receiver.send(b"refused")
    receiver.connect(sender.getsockname())
    assert receiver.getsockname() == own
    sender.send(packet(1, 50))
    assert reader.receive(receiver.fileno()) == 1


def test_nothing_there_and_nobody_there() -> None:
    reader = Receiver(HEAD_BYTES, timestamps=True)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as empty:
        empty.bind(("127.0.0.1", 0))
        fileno = empty.fileno()
        assert reader.receive(fileno) == 0
    assert reader.receive(fileno) == 0
    assert reader.lengths(0) == []
    assert list(reader.headers(0)) == []

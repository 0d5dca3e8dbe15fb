"""One reader for many sockets, in a real event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from loadtest.rtc.drain import Drain, drain_of
from loadtest.rtc.recvmmsg import BATCH, Receiver


class Listener:
    """Counts what it is given."""

    def __init__(self, *, fails: bool = False) -> None:
        self.reads_whole = False
        self.ticks = False
        self.ticked = asyncio.Event()
        self.batches: list[int] = []
        self.got = asyncio.Event()
        self._fails = fails
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))

    def fileno(self) -> int:
        return self.socket.fileno()

    def take_batch(self, receiver: Receiver, count: int) -> None:
        self.batches.append(count)
        self.got.set()
        if self._fails:
            raise RuntimeError("a bug of one peer")

    def tick(self, now: float) -> None:
        self.ticked.set()
        if self._fails:
            raise RuntimeError("a bug in a tick")

    def feed(self, datagrams: int) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for _ in range(datagrams):
                sender.sendto(b"x", self.socket.getsockname())


@contextlib.contextmanager
def drained(*listeners: Listener) -> Iterator[Drain]:
    drain = Drain(asyncio.get_running_loop())
    for each in listeners:
        drain.add(each)
    try:
        yield drain
    finally:
        for each in listeners:
            drain.remove(each)
            each.socket.close()


async def test_what_arrives_is_swept_up() -> None:
    one, two = Listener(), Listener()
    with drained(one, two):
        one.feed(3)
        async with asyncio.timeout(5):
            await one.got.wait()
        assert (one.batches, two.batches) == ([3], [])


async def test_a_socket_is_read_until_it_is_empty() -> None:
    one = Listener()
    with drained(one) as drain:
        one.feed(BATCH + 5)
        drain.sweep()
        assert one.batches == [BATCH, 5]


async def test_what_lies_there_at_the_end_is_counted() -> None:
    one, two = Listener(), Listener()
    with drained(one, two) as drain:
        one.feed(2)
        drain.remove(one)
        drain.remove(one)
        two.feed(1)
        async with asyncio.timeout(5):
            await two.got.wait()
        assert (one.batches, two.batches) == ([2], [1])


async def test_one_that_fails_is_reported_and_spoils_nothing() -> None:
    failures: list[Any] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: failures.append(str(context["exception"])))
    bad, good = Listener(fails=True), Listener()
    bad.ticks = True
    with drained(bad, good) as drain:
        bad.feed(1)
        good.feed(1)
        drain.sweep()
    assert good.batches == [1]
    assert failures == ["a bug of one peer", "a bug in a tick"]


async def test_those_that_want_it_are_ticked() -> None:
    one, two = Listener(), Listener()
    one.ticks = True
    with drained(one, two):
        async with asyncio.timeout(5):
            await one.ticked.wait()
        assert not two.ticked.is_set()


async def test_it_sleeps_without_peers_and_wakes_again() -> None:
    drain = drain_of(asyncio.get_running_loop())
    assert drain is drain_of(asyncio.get_running_loop())
    for _ in range(2):
        one = Listener()
        drain.add(one)
        one.feed(1)
        async with asyncio.timeout(5):
            await one.got.wait()
        drain.remove(one)
        one.socket.close()
        with pytest.raises(AssertionError, match="without peers"):
            drain.sweep()

"""One reader for all connected peers of an event loop.

Each socket in the event loop would cost a callback per datagram. Here they lie in one epoll set
that is swept every few milliseconds, and each socket that has something is read until empty, many
datagrams a call. The kernel's receive buffer holds what comes in between, and its timestamps tell
when it came.
"""

from __future__ import annotations

import asyncio
import select
import weakref
from typing import Final, Protocol

from loadtest.rtc.recvmmsg import HEAD_BYTES, WHOLE_BYTES, Receiver

SWEEP_EVERY_S: Final = 0.008
"""More datagrams a call the longer it is; a retransmission is asked for one sweep later."""
CALLS_AT_MOST: Final = 16
"""Of one socket in one sweep: a flood on one does not starve the others."""


class Drained(Protocol):
    """A connected peer, as its drain sees it."""

    reads_whole: bool
    """Whole datagrams with arrival times, instead of heads. May change at any time, if the socket
    has SO_TIMESTAMPNS by then."""
    ticks: bool
    """Whether `tick` is to be called on every sweep."""

    def fileno(self) -> int: ...

    def take_batch(self, receiver: Receiver, count: int) -> None:
        """`count` datagrams lie in `receiver`."""

    def tick(self, now: float) -> None: ...


class Drain:
    """Sweeps by itself from the first `add` to the last `remove`."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._heads = Receiver(HEAD_BYTES, timestamps=False)
        self._whole = Receiver(WHOLE_BYTES, timestamps=True)
        self._peers: dict[int, Drained] = {}
        self._epoll: select.epoll | None = None
        self._timer: asyncio.TimerHandle | None = None

    def add(self, peer: Drained) -> None:
        if self._epoll is None:
            self._epoll = select.epoll()
            self._timer = self._loop.call_later(SWEEP_EVERY_S, self._sweep_again)
        self._epoll.register(peer.fileno(), select.EPOLLIN)
        self._peers[peer.fileno()] = peer

    def remove(self, peer: Drained) -> None:
        """Before its socket is closed; what has arrived is still counted. May be repeated."""
        fileno = peer.fileno()
        if self._epoll is None or self._peers.get(fileno) is not peer:
            return
        self._read(fileno, peer)
        del self._peers[fileno]
        self._epoll.unregister(fileno)
        if not self._peers:
            self._stop()

    def sweep(self) -> None:
        """Read all there is."""
        assert self._epoll is not None, "a drain without peers does not sweep"
        for fileno, _ in self._epoll.poll(0, max(1, len(self._peers))):
            # A peer that was read before may have closed this one.
            peer = self._peers.get(fileno)
            if peer is not None:
                self._read(fileno, peer)
        now = self._loop.time()
        for peer in [each for each in self._peers.values() if each.ticks]:
            try:
                peer.tick(now)
            except Exception as error:
                self._report(error)

    def _read(self, fileno: int, peer: Drained) -> None:  # hot path
        for _ in range(CALLS_AT_MOST):
            receiver = self._whole if peer.reads_whole else self._heads
            count = receiver.receive(fileno)
            if count:
                try:
                    peer.take_batch(receiver, count)
                except Exception as error:
                    self._report(error)
            if count < receiver.batch:
                return

    def _report(self, error: Exception) -> None:
        # As a callback of its own would: the others go on.
        message = "a light peer failed at what it received"
        self._loop.call_exception_handler({"message": message, "exception": error})

    def _sweep_again(self) -> None:
        self.sweep()
        if self._epoll is not None:
            self._timer = self._loop.call_later(SWEEP_EVERY_S, self._sweep_again)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._epoll is not None:
            self._epoll.close()
        self._timer = self._epoll = None


_drains: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Drain] = weakref.WeakKeyDictionary()


def drain_of(loop: asyncio.AbstractEventLoop) -> Drain:
    """The one drain of that event loop."""
    drain = _drains.get(loop)
    if drain is None:
        drain = _drains[loop] = Drain(loop)
    return drain

"""The TCP side of the media port (RFC 6544, passive): for networks that block UDP.

A thin shell like `media.udp`: it accepts, cuts the stream into datagrams (`media.framing`) and
hands them to the same `on_batch` under a `TcpAddress`; what the plane sends to such an address is
framed and written, a run of the fan-out in one write. TCP would keep what a slow reader cannot
take, and show the viewer the past: so the kernel holds little (TCP_NOTSENT_LOWAT), we hold a
bounded rest, and media beyond it is dropped and counted, as a full UDP socket would do.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import resource
import socket
from dataclasses import dataclass
from typing import Final

from media.errors import RemoteProtocolError
from media.framing import Deframer, framed, framed_run
from media.ice import Address, TcpAddress
from media.tcp_guests import MAX_GUESTS, MAX_STRANGERS, Guest, GuestList
from media.udp import OnBatch

READ_BYTES: Final = 16 * 1024
"""Of one connection in a turn of the loop: about 150 checks or 12 full packets, ~1 ms of work."""
UNSENT_BYTES: Final = 32 * 1024
"""What the kernel may hold unsent: 0.2 s at 1.2 Mbit/s. Buffers of the path come on top."""
MEDIA_PENDING_BYTES: Final = 128 * 1024
"""Of ours, above which media is dropped: 0.9 s at 1.2 Mbit/s, room for a burst of pictures."""
MAX_PENDING_BYTES: Final = 256 * 1024
"""Of ours, above which the connection is closed: nobody has read even checks for a long time."""
ACCEPTS_PER_TURN: Final = 64
BACKLOG: Final = 1024
SWEEP_S: Final = 1.0
ACCEPT_PAUSE_S: Final = 1.0
"""No file descriptor left: the listener stays readable, and would spin the loop."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TcpStats:
    """Counters since the port was opened; `open` is a present number."""

    open: int
    accepted: int
    refused: int
    """Connections closed at once: too many, of all or of one address."""
    closed: dict[str, int]
    """By reason: `ended` and `broken` by the other side, `unproven`, `quiet`, `bad_frame`, `slow`
    by us."""
    datagrams_in: int
    datagrams_out: int
    bytes_in: int
    bytes_out: int
    dropped_full: int
    """Media datagrams for a reader that does not keep up."""
    dropped_gone: int
    """Datagrams for a connection that is closed."""


class _Connection:
    """One accepted socket. `pending` is what the kernel did not take yet."""

    __slots__ = ("address", "deframer", "guest", "pending", "socket")

    def __init__(self, opened: socket.socket, address: TcpAddress, guest: Guest) -> None:
        self.socket = opened
        self.address = address
        self.guest = guest
        self.deframer = Deframer()
        self.pending = bytearray()


class TcpPort:
    """A listening socket and its connections on an event loop (asyncio's own or uvloop).

    `host` and `port` as in `media.udp.UdpPort`, and `on_batch(datagrams, now)`, too. Raises
    OSError when the port is taken.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        host: str,
        port: int,
        on_batch: OnBatch,
        guests: GuestList | None = None,
    ) -> None:
        self._loop = loop
        self._on_batch = on_batch
        self._guests = guests if guests is not None else guests_for(_open_files())
        self._connections: dict[Address, _Connection] = {}
        self._of_guest: dict[Guest, _Connection] = {}
        self._numbers = itertools.count(1)
        self._accepted = self._refused = 0
        self._closed: dict[str, int] = {}
        self._datagrams_in = self._datagrams_out = self._bytes_in = self._bytes_out = 0
        self._dropped_full = self._dropped_gone = 0
        self._sweep_timer: asyncio.TimerHandle | None = None
        self._accept_timer: asyncio.TimerHandle | None = None
        self._listener = _listen(host, port)
        self.address: Address = self._listener.getsockname()
        loop.add_reader(self._listener.fileno(), self._accept)

    def close(self) -> None:
        """Stop listening and close every connection, after what was written; safe to repeat."""
        for timer in (self._sweep_timer, self._accept_timer):
            if timer is not None:
                timer.cancel()
        self._sweep_timer = self._accept_timer = None
        if self._listener.fileno() >= 0:
            self._loop.remove_reader(self._listener.fileno())
            self._listener.close()
        for connection in list(self._connections.values()):
            self._close(connection, "shutting_down")

    def stats(self) -> TcpStats:
        """An immutable snapshot of the counters."""
        return TcpStats(
            open=len(self._connections),
            accepted=self._accepted,
            refused=self._refused,
            closed=dict(self._closed),
            datagrams_in=self._datagrams_in,
            datagrams_out=self._datagrams_out,
            bytes_in=self._bytes_in,
            bytes_out=self._bytes_out,
            dropped_full=self._dropped_full,
            dropped_gone=self._dropped_gone,
        )

    # --- sending --------------------------------------------------------------------------------

    def send(self, data: bytes | memoryview, address: Address) -> bool:
        """Write one media datagram; False when it was dropped (counted)."""
        connection = self._taking_media(address, 1)
        return connection is not None and self._write(connection, framed(data), 1)

    def send_run(self, view: memoryview, segment_bytes: int, address: Address) -> bool:
        """Write a run of media datagrams at once; it is taken or dropped (counted) as a whole."""
        segments = -(-len(view) // segment_bytes)
        connection = self._taking_media(address, segments)
        if connection is None:
            return False
        return self._write(connection, framed_run(view, segment_bytes), segments)

    def send_control(self, data: bytes, address: Address) -> bool:
        """Write STUN, DTLS or RTCP, even to a slow reader; one that reads nothing is closed."""
        connection = self._connections.get(address)
        if connection is None:
            self._dropped_gone += 1
            return False
        if len(connection.pending) > MAX_PENDING_BYTES:
            self._close(connection, "slow")
            return False
        return self._write(connection, framed(data), 1)

    def _taking_media(self, address: Address, datagrams: int) -> _Connection | None:
        connection = self._connections.get(address)
        if connection is None:
            self._dropped_gone += datagrams
        elif len(connection.pending) > MEDIA_PENDING_BYTES:
            self._dropped_full += datagrams
        else:
            return connection
        return None

    def _write(self, connection: _Connection, data: bytes, datagrams: int) -> bool:
        guest = connection.guest
        guest.is_used = True
        if not guest.is_proven:
            self._guests.prove(guest)  # the plane answers nobody else
        if connection.pending:
            connection.pending += data
        else:
            try:
                sent = connection.socket.send(data)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError:
                self._close(connection, "broken")
                return False
            if sent < len(data):
                connection.pending += memoryview(data)[sent:]
                self._loop.add_writer(connection.socket.fileno(), self._flush, connection)
        self._datagrams_out += datagrams
        self._bytes_out += len(data)
        return True

    def _flush(self, connection: _Connection) -> None:
        pending = connection.pending
        try:
            sent = connection.socket.send(pending)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._close(connection, "broken")
            return
        del pending[:sent]
        if not pending:
            self._loop.remove_writer(connection.socket.fileno())

    # --- reading --------------------------------------------------------------------------------

    def _accept(self) -> None:
        for _ in range(ACCEPTS_PER_TURN):
            try:
                opened, peer = self._listener.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionError:
                continue  # gone before we came to it
            except OSError as error:
                logger.warning("tcp_accept_failed error=%s", error.strerror)
                self._loop.remove_reader(self._listener.fileno())
                self._accept_timer = self._loop.call_later(ACCEPT_PAUSE_S, self._accept_again)
                return
            self._welcome(opened, peer)

    def _accept_again(self) -> None:
        self._accept_timer = None
        self._loop.add_reader(self._listener.fileno(), self._accept)

    def _welcome(self, opened: socket.socket, peer: Address) -> None:
        guest = self._guests.admit(peer[0], self._loop.time())
        if guest is None:
            self._refused += 1
            opened.close()
            return
        try:
            _prepare(opened)
        except OSError:  # reset meanwhile
            self._guests.leave(guest)
            opened.close()
            return
        self._accepted += 1
        address = TcpAddress(peer[0], peer[1], next(self._numbers))
        connection = _Connection(opened, address, guest)
        self._connections[address] = connection
        self._of_guest[guest] = connection
        self._loop.add_reader(opened.fileno(), self._read, connection)
        if self._sweep_timer is None:
            self._sweep_timer = self._loop.call_later(SWEEP_S, self._sweep)

    def _read(self, connection: _Connection) -> None:
        try:
            data = connection.socket.recv(READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._close(connection, "broken")
            return
        if not data:
            self._close(connection, "ended")
            return
        try:
            frames = connection.deframer.frames_untrusted(data)
        except RemoteProtocolError as error:
            self._close(connection, error.reason)
            return
        self._bytes_in += len(data)
        self._datagrams_in += len(frames)
        if frames:
            address = connection.address
            self._on_batch([(frame, address) for frame in frames], self._loop.time())

    # --- the end --------------------------------------------------------------------------------

    def _sweep(self) -> None:
        self._sweep_timer = None
        for guest, reason in self._guests.overdue(self._loop.time()):
            self._close(self._of_guest[guest], reason)
        if self._connections:
            self._sweep_timer = self._loop.call_later(SWEEP_S, self._sweep)

    def _close(self, connection: _Connection, reason: str) -> None:
        if self._connections.pop(connection.address, None) is None:
            return
        del self._of_guest[connection.guest]
        self._guests.leave(connection.guest)
        self._closed[reason] = self._closed.get(reason, 0) + 1
        number = connection.socket.fileno()
        self._loop.remove_reader(number)
        self._loop.remove_writer(number)
        connection.socket.close()


def guests_for(open_files: int | None) -> GuestList:
    """The usual bounds, or fewer where a process may open few files (None: any number): HTTP, which
    shares them, must still be reached when the media port is full of strangers."""
    if open_files is None:
        return GuestList()
    return GuestList(
        max_strangers=min(MAX_STRANGERS, open_files // 8),
        max_guests=min(MAX_GUESTS, open_files // 2),
    )


def _open_files() -> int | None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def _listen(host: str, port: int) -> socket.socket:
    is_ipv6 = ":" in host
    opened = socket.socket(socket.AF_INET6 if is_ipv6 else socket.AF_INET, socket.SOCK_STREAM)
    try:
        if is_ipv6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        # A server that starts again need not wait for the old connections' TIME_WAIT.
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.setblocking(False)
        opened.bind((host, port))
        opened.listen(BACKLOG)
    except (OSError, OverflowError):
        opened.close()
        raise
    return opened


def _prepare(opened: socket.socket) -> None:
    opened.setblocking(False)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)

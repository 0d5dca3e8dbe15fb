"""The one UDP socket of a media process: a thin shell, nothing here knows a protocol.

Reading: asyncio's reader callback drains the socket and hands everything that waited to
`on_batch` in one call, so that the fan-out sees packets that arrived together.
Sending: `send` is one datagram; `send_run` is one `sendmsg` for a run of them (Linux
UDP_SEGMENT, GSO): the kernel cuts equal segments and at most one shorter last one. Unequal sizes
would be cut wrong without an error, so building runs is the fan-out's duty (DESIGN §3.9).
Nothing blocks and nothing is queued here: what the kernel will not take is dropped and counted,
as a router would do.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from media.ice import Address

BATCH_DATAGRAMS: Final = 256  # per turn of the loop: bounds how long others wait, ~1 ms of work
READ_BYTES: Final = 2048  # more than any path MTU; longer datagrams are cut and fail to parse
SOCKET_BUFFER_BYTES: Final = 4 * 1024 * 1024  # 1 s at 32 Mbit/s of slack for a busy loop
MAX_RUN_SEGMENTS: Final = 64  # UDP_MAX_SEGMENTS of Linux before 6.x
MAX_RUN_BYTES: Final = 65507  # largest UDP payload over IPv4
UDP_SEGMENT: Final = 103  # linux/udp.h; Python has no name for it
_SOL_UDP: Final = 17
_SEGMENT_SIZE: Final = struct.Struct("=H")
_FULL: Final = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS})
_NO_GSO: Final = frozenset({errno.EINVAL, errno.EIO, errno.EMSGSIZE})

OnBatch = Callable[[list[tuple[bytes, Address]], float], None]


@dataclass(frozen=True, slots=True)
class UdpStats:
    """Counters since the socket was opened, and what the kernel granted."""

    datagrams_in: int
    bytes_in: int
    batches: int
    datagrams_out: int
    bytes_out: int
    send_calls: int
    dropped_full: int
    """Datagrams the kernel had no room for (EAGAIN, ENOBUFS)."""
    send_errors: int
    """Datagrams refused for another reason (no route, prohibited ...)."""
    receive_errors: int
    gso_fallbacks: int
    """Runs that had to be sent datagram by datagram."""
    receive_buffer_bytes: int
    send_buffer_bytes: int


class UdpPort:
    """A bound, non-blocking UDP socket on an event loop (asyncio's own or uvloop).

    `host` "::" (or any IPv6 address) opens a dual-stack socket, on which IPv4 peers show as
    `::ffff:a.b.c.d`. `port` 0 lets the kernel choose; see `address`. `on_batch(datagrams, now)`
    runs in the loop with monotonic `now` of `loop.time()`; it must not raise.
    """

    __slots__ = (
        "_ancillary", "_batches", "_bytes_in", "_bytes_out", "_datagrams_in", "_datagrams_out",
        "_dropped_full", "_gso_fallbacks", "_loop", "_on_batch", "_receive_errors",
        "_send_calls", "_send_errors", "_socket", "address", "gso", "receive_buffer_bytes",
        "send_buffer_bytes",
    )  # fmt: skip

    def __init__(
        self, loop: asyncio.AbstractEventLoop, host: str, port: int, on_batch: OnBatch
    ) -> None:
        self._loop = loop
        self._on_batch = on_batch
        self._socket = _open_socket(host, port)
        self.receive_buffer_bytes = _grow(self._socket, socket.SO_RCVBUF)
        self.send_buffer_bytes = _grow(self._socket, socket.SO_SNDBUF)
        self.address: Address = self._socket.getsockname()
        self.gso = probe_gso()
        """Whether runs go out in one call; turned off when the device cannot (EIO)."""
        # One ancillary list per segment size: a run must not allocate. At most READ_BYTES entries.
        self._ancillary: dict[int, list[tuple[int, int, bytes]]] = {}
        self._datagrams_in = self._bytes_in = self._batches = 0
        self._datagrams_out = self._bytes_out = self._send_calls = 0
        self._dropped_full = self._send_errors = self._receive_errors = self._gso_fallbacks = 0
        loop.add_reader(self._socket.fileno(), self._read)

    def close(self) -> None:
        """Stop reading and close the socket; safe to repeat."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()

    def stats(self) -> UdpStats:
        """An immutable snapshot of the counters."""
        return UdpStats(
            datagrams_in=self._datagrams_in,
            bytes_in=self._bytes_in,
            batches=self._batches,
            datagrams_out=self._datagrams_out,
            bytes_out=self._bytes_out,
            send_calls=self._send_calls,
            dropped_full=self._dropped_full,
            send_errors=self._send_errors,
            receive_errors=self._receive_errors,
            gso_fallbacks=self._gso_fallbacks,
            receive_buffer_bytes=self.receive_buffer_bytes,
            send_buffer_bytes=self.send_buffer_bytes,
        )

    def shortage(self) -> str | None:
        """What to say when the kernel granted less than asked for, with the remedy; else None."""
        granted = {
            "rmem_max": self.receive_buffer_bytes,
            "wmem_max": self.send_buffer_bytes,
        }
        short = [name for name, size in granted.items() if size < SOCKET_BUFFER_BYTES]
        if not short:
            return None
        remedy = " ".join(f"net.core.{name}={SOCKET_BUFFER_BYTES}" for name in short)
        return f"bursts may be lost in small kernel buffers; sysctl -w {remedy}"

    def send(self, data: bytes | memoryview, address: Address) -> bool:  # hot path
        """Send one datagram; False when it was dropped (counted)."""
        self._send_calls += 1
        try:
            self._socket.sendto(data, address)
        except OSError as error:
            self._count_failure(error, 1)
            return False
        self._datagrams_out += 1
        self._bytes_out += len(data)
        return True

    def send_run(self, view: memoryview, segment_bytes: int, address: Address) -> bool:  # hot path
        """Send `view` as datagrams of `segment_bytes` each, the last one possibly shorter.

        At most `MAX_RUN_SEGMENTS` segments and `MAX_RUN_BYTES` in all. False when any of it was
        dropped (counted). Falls back to single sends where GSO does not work.
        """
        total = len(view)
        if total <= segment_bytes:  # half of all runs: audio comes packet by packet
            self._send_calls += 1
            try:
                self._socket.sendto(view, address)
            except OSError as error:
                self._count_failure(error, 1)
                return False
            self._datagrams_out += 1
            self._bytes_out += total
            return True
        if not self.gso:
            return self._send_singly(view, segment_bytes, address)
        ancillary = self._ancillary.get(segment_bytes)
        if ancillary is None:
            size = _SEGMENT_SIZE.pack(segment_bytes)
            ancillary = self._ancillary[segment_bytes] = [(_SOL_UDP, UDP_SEGMENT, size)]
        segments = -(-total // segment_bytes)
        self._send_calls += 1
        try:
            self._socket.sendmsg((view,), ancillary, 0, address)
        except OSError as error:
            if error.errno in _NO_GSO:
                self._gso_fallbacks += 1
                if error.errno == errno.EIO:  # this device cannot checksum segments, ever
                    self.gso = False
                return self._send_singly(view, segment_bytes, address)
            self._count_failure(error, segments)
            return False
        self._datagrams_out += segments
        self._bytes_out += total
        return True

    def _send_singly(self, view: memoryview, segment_bytes: int, address: Address) -> bool:
        sent = True
        for start in range(0, len(view), segment_bytes):
            sent &= self.send(view[start : start + segment_bytes], address)
        return sent

    def _count_failure(self, error: OSError, datagrams: int) -> None:
        if error.errno in _FULL:
            self._dropped_full += datagrams
        else:
            self._send_errors += datagrams

    def _read(self) -> None:  # hot path
        receive = self._socket.recvfrom
        batch: list[tuple[bytes, Address]] = []
        append = batch.append
        size = 0
        try:
            for _ in range(BATCH_DATAGRAMS):
                datagram = receive(READ_BYTES)
                size += len(datagram[0])
                append(datagram)
        except (BlockingIOError, InterruptedError):
            pass  # drained: the normal end
        except OSError:
            self._receive_errors += 1  # an ICMP error of an earlier send; the socket lives on
        if batch:
            self._batches += 1
            self._datagrams_in += len(batch)
            self._bytes_in += size
            self._on_batch(batch, self._loop.time())


def probe_gso() -> bool:
    """Whether this kernel cuts a UDP_SEGMENT run as we need: tried over loopback."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        receiver.bind(("127.0.0.1", 0))
        receiver.setblocking(False)
        ancillary = [(_SOL_UDP, UDP_SEGMENT, _SEGMENT_SIZE.pack(2))]
        try:
            sender.sendmsg((b"aabbc",), ancillary, 0, receiver.getsockname())
            # Loopback delivers within the call; a kernel that does not is treated as without.
            return [receiver.recv(8) for _ in range(3)] == [b"aa", b"bb", b"c"]
        except OSError:
            return False


def _open_socket(host: str, port: int) -> socket.socket:
    is_ipv6 = ":" in host
    opened = socket.socket(socket.AF_INET6 if is_ipv6 else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        if is_ipv6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        opened.setblocking(False)
        opened.bind((host, port))
    except (OSError, OverflowError):
        opened.close()
        raise
    return opened


def _grow(opened: socket.socket, option: int) -> int:
    """Ask for a larger kernel buffer; returns what was granted.

    Linux grants at most net.core.[rw]mem_max and reports twice the usable size.
    """
    opened.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER_BYTES)
    return opened.getsockopt(socket.SOL_SOCKET, option) // 2

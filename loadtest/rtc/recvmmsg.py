"""Many datagrams of one socket in one system call: recvmmsg(2) into memory that is used again.

There is deliberately no UDP_GRO: on loopback such a reader takes the sender's unsplit packets,
which would flatter servers that send by GSO (and a browser reads one datagram at a time, too).
"""

from __future__ import annotations

import ctypes
import errno
import socket
import struct
from collections.abc import Iterator
from typing import Final

BATCH: Final = 64
"""Datagrams a call: beyond it the call itself costs nothing any more."""
HEAD_BYTES: Final = 256
"""Holds an RTP header, and whole what keeps a peer alive: STUN, DTLS alerts, most RTCP."""
WHOLE_BYTES: Final = 2048
SO_TIMESTAMPNS: Final = 35
_CMSG_BYTES: Final = 32
"""CMSG_SPACE(sizeof(struct timespec)): header of 16 bytes, seconds and nanoseconds."""
_TIMESTAMP: Final = struct.Struct("=16xqq")
_AGAIN: Final = (errno.ECONNREFUSED, errno.EINTR)
"""An ICMP error of an earlier send is reported once and says nothing about what lies ready."""


class _Iovec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Mmsghdr(ctypes.Structure):
    """struct mmsghdr of Linux on 64 bits: a msghdr, then the number of bytes received."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("iov", ctypes.c_void_p),
        ("iov_length", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
        ("_padding", ctypes.c_int),  # the msghdr in there is a structure of its own
        ("received", ctypes.c_uint32),
    )


_MMSGHDR_BYTES: Final = ctypes.sizeof(_Mmsghdr)
_RECEIVED_AT: Final = _Mmsghdr.received.offset // 4
_recvmmsg = ctypes.CDLL(None, use_errno=True).recvmmsg


class Receiver:
    """The memory of one way of reading: heads only, or whole datagrams with the kernel's time.

    One serves all sockets of a process in turn; what a call brought is valid until the next. With
    `timestamps` every socket that is read needs SO_TIMESTAMPNS.
    """

    def __init__(self, datagram_bytes: int, *, timestamps: bool, batch: int = BATCH) -> None:
        self.batch = batch
        self._stride = datagram_bytes
        self._memory = memoryview(bytearray(batch * datagram_bytes))
        self._header = struct.Struct(f"!BBHII{datagram_bytes - 12}x")
        self._control = memoryview(bytearray(batch * _CMSG_BYTES))
        self._iovecs = (_Iovec * batch)()
        self._messages = (_Mmsghdr * batch)()
        base = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        control = ctypes.addressof(ctypes.c_char.from_buffer(self._control))
        for index in range(batch):
            self._iovecs[index].base = base + index * datagram_bytes
            self._iovecs[index].length = datagram_bytes
            message = self._messages[index]
            message.iov = ctypes.addressof(self._iovecs[index])
            message.iov_length = 1
            if timestamps:
                message.control = control + index * _CMSG_BYTES
                message.control_length = _CMSG_BYTES
        # The kernel writes control_length: each call starts from the same array again.
        self._fresh = bytes(self._messages)
        self._message_bytes = memoryview(self._messages).cast("B")
        self._words = self._message_bytes.cast("I")
        self._timestamps = timestamps
        self._used = 0

    def receive(self, fileno: int) -> int:  # hot path
        """How many datagrams were ready; 0 when none. MSG_TRUNC has the kernel tell the true
        length of what it cut."""
        if self._timestamps and self._used:
            end = self._used * _MMSGHDR_BYTES
            self._message_bytes[:end] = self._fresh[:end]
        flags = socket.MSG_DONTWAIT | socket.MSG_TRUNC
        count: int = _recvmmsg(fileno, self._messages, self.batch, flags, None)
        while count < 0 and ctypes.get_errno() in _AGAIN:
            count = _recvmmsg(fileno, self._messages, self.batch, flags, None)
        self._used = max(count, 0)
        return self._used

    def lengths(self, count: int) -> list[int]:
        """True sizes, also of datagrams that were cut."""
        step = _MMSGHDR_BYTES // 4
        return self._words[_RECEIVED_AT : count * step : step].tolist()

    def headers(self, count: int) -> Iterator[tuple[int, int, int, int, int]]:
        """(first byte, second byte, seq, timestamp, ssrc) of each. Of a datagram shorter than 12
        bytes the rest is left over from an earlier one."""
        return self._header.iter_unpack(self._memory[: count * self._stride])

    def arrivals(self, count: int) -> Iterator[tuple[int, int]]:
        """(Unix seconds, nanoseconds) at which the kernel got each."""
        return _TIMESTAMP.iter_unpack(self._control[: count * _CMSG_BYTES])

    def datagram(self, index: int, length: int) -> bytes:
        """A copy; at most as much as was read."""
        begin = index * self._stride
        return bytes(self._memory[begin : begin + min(length, self._stride)])

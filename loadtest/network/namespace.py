"""A network namespace of our own: processes are started inside, sockets are opened inside."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from loadtest.network.errors import NetworkError, require_root
from loadtest.network.iproute import ip, program, to_its_end
from loadtest.network.names import is_stale, namespace_name

T = TypeVar("T")

CLONE_NEWNET: Final = 0x40000000
"""setns(2): the descriptor must be one of a network namespace."""
_NAMED: Final = Path("/run/netns")
"""Where iproute2 keeps a file for every named namespace."""
_OURS: Final = "/proc/thread-self/ns/net"
_libc: Final = ctypes.CDLL(None, use_errno=True)


class Namespace:
    """Made on entry with its loopback up, removed on exit in any case. Raises `NetworkError`.

    Sockets that were opened inside keep working after the exit, and keep what is in there alive,
    until they are closed.
    """

    def __init__(self) -> None:
        self.name = namespace_name()
        self._inside: int | None = None

    async def __aenter__(self) -> Self:
        require_root()
        try:
            await to_its_end(self._make)
        except BaseException:
            await to_its_end(self._remove)
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await to_its_end(self._remove)

    def _make(self) -> None:
        remove_stale()
        ip("netns", "add", self.name)
        self._inside = os.open(_NAMED / self.name, os.O_RDONLY | os.O_CLOEXEC)
        ip("-n", self.name, "link", "set", "lo", "up")

    def _remove(self) -> None:
        if self._inside is not None:
            os.close(self._inside)
            self._inside = None
        if (_NAMED / self.name).exists():
            ip("netns", "del", self.name)

    def prefix(self) -> list[str]:
        """Put before a program's arguments it runs inside, under the same pid."""
        return [program("ip"), "netns", "exec", self.name]

    def call(self, function: Callable[[], T]) -> T:
        """The result of a short, synchronous function that this thread runs inside."""
        if self._inside is None:
            raise NetworkError(f"the namespace {self.name} is gone: use it inside its `async with`")
        with _within(self._inside):
            return function()

    def open_socket(
        self,
        family: socket.AddressFamily = socket.AF_INET,
        kind: socket.SocketKind = socket.SOCK_DGRAM,
    ) -> socket.socket:
        """A socket that lives inside, whoever uses it. The caller closes it."""
        return self.call(lambda: socket.socket(family, kind))

    def udp(self) -> socket.socket:
        """A `SocketFactory` for light peers."""
        return self.open_socket(socket.AF_INET, socket.SOCK_DGRAM)

    def tcp(self) -> socket.socket:
        """A `SocketFactory` for light sockets."""
        return self.open_socket(socket.AF_INET, socket.SOCK_STREAM)

    def socket_for(self, address: tuple[Any, ...]) -> socket.socket:
        """The `socket_factory` of aiohttp's `TCPConnector`: `address` is a row of getaddrinfo.
        (Any: what aiohttp's own type says differs between its versions.)"""
        return self.open_socket(address[0], address[1])


@contextlib.contextmanager
def _within(descriptor: int) -> Iterator[None]:
    """This thread is in that namespace meanwhile. Never await inside."""
    ours = os.open(_OURS, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _setns(descriptor)
        yield
    finally:
        # Also when the first switch failed or was interrupted: going where one is harms nobody.
        try:
            _setns(ours)
        finally:
            os.close(ours)


def _setns(descriptor: int) -> None:
    # os.setns came with Python 3.12.
    if _libc.setns(descriptor, CLONE_NEWNET) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise NetworkError(f"setns: {reason}; root needs CAP_SYS_ADMIN (in a container, too)")


def remove_stale() -> list[str]:
    """Remove the namespaces and links that killed processes of ours left; names what it removed."""
    removed = []
    for kind, folder in (("netns", _NAMED), ("link", Path("/sys/class/net"))):
        for name in sorted(os.listdir(folder)) if folder.exists() else ():
            if is_stale(name):
                # Two runs may start at once, and the other one was faster.
                with contextlib.suppress(NetworkError):
                    ip(kind, "del", name)
                    removed.append(name)
    return removed

"""Links between media workers: Unix stream sockets that carry the frames of `media.relay_frames`.

A worker listens on a path of its own and connects to the paths that it is told to export to; what
comes back on such a link are requests. Nothing blocks: a reader that falls far behind misses whole
frames, and its worker sees a loss that nobody mends until the next key frame.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

from media.errors import RemoteProtocolError
from media.relay_frames import Frame, FrameReader

READ_BYTES: Final = 256 * 1024
MAX_UNSENT_BYTES: Final = 8 * 1024 * 1024
"""A group of pictures that is sent again at once fits; at 16 Mbit/s these are 4 s."""

OnFrames = Callable[[str, list[Frame], float], None]

logger = logging.getLogger(__name__)


class _Link:
    __slots__ = ("key", "reader", "socket", "unsent")

    def __init__(self, key: str, opened: socket.socket) -> None:
        opened.setblocking(False)
        self.key = key
        self.socket = opened
        self.reader = FrameReader()
        self.unsent = bytearray()


class RelayPort:
    """Listens on `path` at once; `on_frames(link, frames, now)` runs in the loop, must not raise.

    A link is named by the path it leads to, one that was accepted by a number.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, path: Path, on_frames: OnFrames) -> None:
        self._loop = loop
        self._path = path
        self._on_frames = on_frames
        self._links: dict[str, _Link] = {}
        self._numbers = itertools.count(1)
        self.dropped = 0
        """Writes that did not fit or had nobody to read them, of one or more frames each."""
        path.unlink(missing_ok=True)  # of an earlier run that was killed
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.setblocking(False)
        self._listener.bind(str(path))
        path.chmod(0o600)
        self._listener.listen()
        loop.add_reader(self._listener.fileno(), self._accept)

    def close(self) -> None:
        """Close every link; safe to repeat."""
        if self._listener.fileno() >= 0:
            self._loop.remove_reader(self._listener.fileno())
            self._listener.close()
            self._path.unlink(missing_ok=True)
        for link in list(self._links.values()):
            self._end(link)

    def send(self, key: str, data: bytes) -> None:  # hot path
        """Write whole frames to a link; opens one that is named by a path."""
        link = self._links.get(key) or self._connect(key)
        if link is None or len(link.unsent) + len(data) > MAX_UNSENT_BYTES:
            self.dropped += 1
            return
        if link.unsent:
            link.unsent += data
            return
        try:
            sent = link.socket.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self.dropped += 1
            self._end(link)
            return
        if sent < len(data):
            link.unsent += data[sent:]
            self._loop.add_writer(link.socket.fileno(), self._write, link)

    def _connect(self, key: str) -> _Link | None:
        """A local listener takes a connection at once, or is not there."""
        if not key.startswith("/"):
            return None
        opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            opened.setblocking(False)
            opened.connect(key)
        except OSError:
            opened.close()
            return None
        return self._add(key, opened)

    def _accept(self) -> None:
        try:
            opened, _ = self._listener.accept()
        except OSError:
            return  # it went meanwhile
        self._add(str(next(self._numbers)), opened)

    def _add(self, key: str, opened: socket.socket) -> _Link:
        link = self._links[key] = _Link(key, opened)
        self._loop.add_reader(opened.fileno(), self._read, link)
        return link

    def _read(self, link: _Link) -> None:  # hot path
        try:
            data = link.socket.recv(READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self._end(link)
            return
        try:
            frames = link.reader.read_untrusted(data)
        except RemoteProtocolError as error:
            logger.error("relay_broken link=%s reason=%s", link.key, error)
            self._end(link)
            return
        if frames:
            self._on_frames(link.key, frames, self._loop.time())

    def _write(self, link: _Link) -> None:
        try:
            sent = link.socket.send(link.unsent)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._end(link)
            return
        del link.unsent[:sent]
        if not link.unsent:
            self._loop.remove_writer(link.socket.fileno())

    def _end(self, link: _Link) -> None:
        if self._links.pop(link.key, None) is None:
            return
        number = link.socket.fileno()
        self._loop.remove_reader(number)
        self._loop.remove_writer(number)
        link.socket.close()

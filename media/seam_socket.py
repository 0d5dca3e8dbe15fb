"""The seam of `media.seam` over a Unix socket: the same commands and events between processes.

Frame: a 4-byte big-endian length, then one MessagePack struct. Both ends are ours and of the same
version, yet a frame is decoded against the schema: a broken one ends the connection, not the
process. Order is kept in both directions.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from media.seam import (
    Answered,
    ClosePeer,
    Command,
    Event,
    EventHandler,
    MediaPort,
    PeerClosed,
    PeerId,
)

MAX_FRAME_BYTES: Final = 32 * 1024 * 1024
"""The statistics of all peers are the largest thing that crosses: some 400 bytes for each of at
most 20,000, and more where many kinds of drops are counted."""
MAX_UNSENT_BYTES: Final = 2 * MAX_FRAME_BYTES
"""A reader this far behind is stuck: the connection is closed rather than memory filled."""

FRONT_GONE: Final = "front_gone"
_LENGTH: Final = struct.Struct("!I")
_encoder: Final = msgspec.msgpack.Encoder()
T = TypeVar("T")

logger = logging.getLogger(__name__)


class SeamClosed(ConnectionError):
    """The other side of the seam went away."""


def pack_frame(value: Command | Event) -> bytes:
    body = _encoder.encode(value)
    return _LENGTH.pack(len(body)) + body


async def read_frame(reader: asyncio.StreamReader, decoder: msgspec.msgpack.Decoder[T]) -> T:
    """The next value; raises `SeamClosed` at the end and on anything that is no frame of ours."""
    try:
        (size,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        if size > MAX_FRAME_BYTES:
            raise SeamClosed(f"a frame of {size} bytes is beyond the limit")
        return decoder.decode(await reader.readexactly(size))
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        raise SeamClosed("the other side closed the seam") from error
    except msgspec.MsgspecError as error:
        raise SeamClosed(f"a frame does not fit the seam: {error}") from error


def _write(writer: asyncio.StreamWriter, value: Command | Event) -> None:
    if writer.is_closing():
        return
    writer.write(pack_frame(value))
    if writer.transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
        logger.error("seam_reader_stuck")
        writer.transport.abort()


class RemoteMedia:
    """`MediaPort` whose media plane lives behind a Unix socket (`SeamServer` there)."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._handler: EventHandler | None = None
        self._task: asyncio.Task[None] | None = None
        self.closed = asyncio.Event()
        """Set when the media process is gone; all its peers are gone with it."""

    @classmethod
    async def connect(cls, path: Path) -> RemoteMedia:
        return cls(*await asyncio.open_unix_connection(str(path)))

    def send(self, command: Command) -> None:
        _write(self._writer, command)

    def subscribe(self, handler: EventHandler) -> None:
        assert self._handler is None, "there is one receiver of events"
        self._handler = handler
        self._task = asyncio.get_running_loop().create_task(self._read(), name="seam-events")

    async def close(self) -> None:
        self._writer.close()
        if self._task is not None:
            await self._task

    async def _read(self) -> None:
        assert self._handler is not None, "subscribe() starts the reader"
        decoder = msgspec.msgpack.Decoder(Event)
        try:
            while True:
                self._handler(await read_frame(self._reader, decoder))
        except SeamClosed as error:
            logger.info("seam_closed reason=%s", error)
        finally:
            self.closed.set()


class SeamServer:
    """Offers a `MediaPort` of this process on a Unix socket to one front at a time.

    When the front goes, its peers are closed: the next one knows nothing of them.
    """

    def __init__(self, media: MediaPort, path: Path) -> None:
        self._media = media
        self._path = path
        self._writer: asyncio.StreamWriter | None = None
        self._server: asyncio.Server | None = None
        self._peers: set[PeerId] = set()
        media.subscribe(self._forward)

    async def start(self) -> None:
        self._server = await asyncio.start_unix_server(self._serve, str(self._path))
        self._path.chmod(0o600)

    async def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def _forward(self, event: Event) -> None:
        if isinstance(event, Answered):
            self._peers.add(event.peer_id)
            if self._writer is None:  # asked for by a front that went meanwhile
                self._media.send(ClosePeer(event.peer_id, FRONT_GONE))
        elif isinstance(event, PeerClosed):
            self._peers.discard(event.peer_id)
        if self._writer is not None:
            _write(self._writer, event)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._writer is not None and not self._writer.is_closing():
            logger.error("seam_refused reason=second_front")
            writer.close()
            return
        self._writer = writer
        decoder = msgspec.msgpack.Decoder(Command)
        try:
            while True:
                self._media.send(await read_frame(reader, decoder))
        except SeamClosed as error:
            logger.info("seam_closed reason=%s", error)
        finally:
            writer.close()
            self._writer = None
            for peer_id in list(self._peers):
                self._media.send(ClosePeer(peer_id, FRONT_GONE))

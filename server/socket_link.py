"""One WebSocket as the room sees it: something to write ready frames to, without ever waiting.

Writes go to the transport at once, past aiohttp's own writer: a broadcast hands over one finished
frame and nothing is awaited per connection (DESIGN 4.4). aiohttp still reads, answers pings and
sends its own; whole frames only, so the two never mix within one.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import Final, Literal

from server.counters import Counters
from server.ws_frames import BINARY, TEXT, FrameCache, close_frame
from signaling.close_codes import CloseCode

SEND_BUFFER_BYTES: Final = 32 * 1024
"""SO_SNDBUF: small, so that what a slow reader leaves waits in our queues, where chat can still be
shed, and not in the kernel."""
CLOSE_WAIT_S: Final = 2.0
"""A peer that does not answer our close frame within this is cut off (RFC 6455 §7.1.1)."""


class SocketLink:
    """`signaling.service.ClientLink` over an aiohttp server transport."""

    def __init__(
        self,
        *,
        transport: asyncio.Transport,
        encoding: Literal["json", "msgpack"],
        frames: FrameCache,
        counters: Counters,
    ) -> None:
        self.encoding: Literal["json", "msgpack"] = encoding
        self.closed_with: CloseCode | None = None
        """Set once we closed; nothing is written after it."""
        self._opcode = TEXT if encoding == "json" else BINARY
        self._transport = transport
        self._frames = frames
        self._counters = counters
        self._cut_off: asyncio.TimerHandle | None = None
        bound = transport.get_extra_info("socket")
        if bound is not None:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)

    def write(self, frame: bytes) -> None:  # hot path
        """Send one encoded payload; dropped silently once closing, when nobody would read it."""
        if self.closed_with is None and not self._transport.is_closing():
            framed = self._frames.frame(self._opcode, frame)
            self._transport.write(framed)
            self._counters.frames_out += 1
            self._counters.bytes_out += len(framed)

    def write_together(self, frames: Sequence[bytes]) -> None:
        """Several encoded payloads in one system call, which is what a write costs."""
        if self.closed_with is None and not self._transport.is_closing():
            framed = b"".join(self._frames.frame(self._opcode, frame) for frame in frames)
            self._transport.write(framed)
            self._counters.frames_out += len(frames)
            self._counters.bytes_out += len(framed)

    def buffered_bytes(self) -> int:
        """What the kernel has not taken yet."""
        return self._transport.get_write_buffer_size()

    def close(self, code: CloseCode) -> None:
        """Say goodbye with `code`; the first call counts. Cut off if the peer does not answer."""
        if self.closed_with is not None:
            return
        self.closed_with = code
        self._counters.socket_closes[code.reason] += 1
        if not self._transport.is_closing():
            self._transport.write(close_frame(code, code.reason))
            loop = asyncio.get_running_loop()
            self._cut_off = loop.call_later(CLOSE_WAIT_S, self._transport.abort)

    def finish(self) -> None:
        """The conversation is over: release the timer, and the connection if we closed it.

        Closing the transport here keeps aiohttp from sending a second close frame after ours.
        """
        if self._cut_off is not None:
            self._cut_off.cancel()
            self._cut_off = None
        if self.closed_with is not None:
            self._transport.close()

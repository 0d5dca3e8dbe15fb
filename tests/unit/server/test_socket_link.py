"""What a room writes to a socket, over a real connection."""

from __future__ import annotations

import asyncio
import socket

from server.counters import Counters
from server.socket_link import SEND_BUFFER_BYTES, SocketLink
from server.ws_frames import TEXT, FrameCache, close_frame, frame
from signaling.close_codes import CloseCode

PAYLOADS = (b'{"n":1}', b'{"n":2}' * 100)


async def test_frames_written_together_are_whole_in_order_and_counted_each() -> None:
    ours, theirs = socket.socketpair()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
    counters = Counters()
    link = SocketLink(transport=transport, encoding="json", frames=FrameCache(), counters=counters)
    # The kernel doubles what is asked for (socket(7)).
    assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 2 * SEND_BUFFER_BYTES
    link.write_together(PAYLOADS)
    wire = b"".join(frame(TEXT, payload) for payload in PAYLOADS)
    assert theirs.recv(65_536) == wire
    assert (counters.frames_out, counters.bytes_out) == (2, len(wire))
    link.close(CloseCode.SLOW_READER)
    link.write_together(PAYLOADS)
    goodbye = close_frame(CloseCode.SLOW_READER, CloseCode.SLOW_READER.reason)
    assert theirs.recv(65_536) == goodbye, "nothing follows a goodbye"
    link.finish()
    theirs.close()

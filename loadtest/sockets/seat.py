"""Taking the mic over the room socket: ask, wait for the seat, publish, give it back."""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import TYPE_CHECKING, Final

from loadtest.rtc.light_peer import LightPeer
from loadtest.targets.target import Refused

if TYPE_CHECKING:
    from loadtest.sockets.lianmai_socket import LianmaiSocket

SEAT_WITHIN_S: Final = 60.0
"""How long somebody waits for the host's decision."""
_SOURCES: Final = {"audio": "microphone", "video": "camera"}


class Seat:
    """A taken seat with its publishing peer (a `MediaSession`)."""

    def __init__(self, room_socket: LianmaiSocket, peer: LightPeer, peer_id: str) -> None:
        self._socket = room_socket
        self._peer = peer
        self._peer_id = peer_id
        self._is_closed = False

    async def close(self) -> None:
        """Stop the media, leave the seat, free the peer."""
        if not self._is_closed:
            self._is_closed = True
            await _say_goodbye(self._socket, "stop_media", peer_id=self._peer_id)
            await _say_goodbye(self._socket, "leave_seat")
        await self._peer.close()


async def take_mic(room_socket: LianmaiSocket, peer: LightPeer) -> Seat:
    """See `LianmaiSocket.take_mic`. When it fails the request is withdrawn, a seat given back and
    the peer closed."""
    try:
        seated = room_socket.wait_seat()
        try:
            await room_socket.request("request_mic", media="video")
            async with asyncio.timeout(SEAT_WITHIN_S):
                await seated
            return Seat(room_socket, peer, await _publish(room_socket, peer))
        except Exception:
            # Whatever it was, it goes on below; the room must not wait for us meanwhile.
            await _say_goodbye(room_socket, "cancel_request")
            await _say_goodbye(room_socket, "leave_seat")
            raise
        finally:
            room_socket.stop_waiting_seat()
    except BaseException:
        await peer.close()
        raise


async def _publish(room_socket: LianmaiSocket, peer: LightPeer) -> str:
    offer = peer.offer()
    answer = await room_socket.request("publish", sdp=offer, sources=sources_of(offer))
    peer.accept(answer["sdp"])
    await peer.establish()
    peer_id: str = answer["peer_id"]
    return peer_id


async def _say_goodbye(room_socket: LianmaiSocket, kind: str, **fields: object) -> None:
    # A server that is gone, or has taken the seat away already, needs no goodbye.
    with contextlib.suppress(Refused, TimeoutError):
        await room_socket.request(kind, **fields)


def sources_of(offer: str) -> dict[str, str]:
    """Source by `mid`: the first audio m-line is the microphone, the first video one the camera."""
    sources: dict[str, str] = {}
    for section in re.split(r"^m=", offer, flags=re.MULTILINE)[1:]:
        mid = re.search(r"^a=mid:(\S+)", section, re.MULTILINE)
        source = _SOURCES.get(section.partition(" ")[0])
        if mid is not None and source is not None and source not in sources.values():
            sources[mid[1]] = source
    return sources

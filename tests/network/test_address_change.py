"""A router that forgets a peer mid-call: aiortc behind it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from aiortc import RTCPeerConnection, RTCSessionDescription

from media.demux import is_rtp_or_rtcp
from media.seam import Answered, PeerClosed, PeerId, PlayOffer, SlotLive
from media.worker import LocalMedia
from tests.network.test_media_loop import next_picture, peer, point, publish
from tests.support.media import PATIENCE_S, MediaDesk, local_media


class Router:
    """Forwards one client's datagrams to a server, from a port that may change; `address` is its
    own, on both sides."""

    def __init__(self, server: tuple[str, int], address: str = "127.0.0.1") -> None:
        self._address = address
        self._loop = asyncio.get_running_loop()
        self._server = server
        self._inside = self._open(self._to_server)
        self._outside = self._open(self._to_client)
        self._client: tuple[str, int] | None = None
        self._awaited = 0
        self._has_delivered = asyncio.Event()
        self.port = int(self._inside.getsockname()[1])

    def _open(self, forward: Callable[[], None]) -> socket.socket:
        opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        opened.bind((self._address, 0))
        opened.setblocking(False)
        self._loop.add_reader(opened, forward)
        return opened

    def _to_server(self) -> None:
        data, self._client = self._inside.recvfrom(2048)
        self._outside.sendto(data, self._server)

    def _to_client(self) -> None:
        data = self._outside.recv(2048)
        if self._client is not None:
            self._inside.sendto(data, self._client)
        if is_rtp_or_rtcp(data):
            self._awaited -= 1
            if self._awaited <= 0:
                self._has_delivered.set()

    async def wait_delivered(self, packets: int) -> None:
        """Until so much more media has reached the client."""
        self._awaited = packets
        self._has_delivered.clear()
        async with asyncio.timeout(PATIENCE_S):
            await self._has_delivered.wait()

    def forget(self) -> None:
        """The next datagram leaves from another port; nothing comes back by the old one."""
        self._shut(self._outside)
        self._outside = self._open(self._to_client)

    def _shut(self, opened: socket.socket) -> None:
        self._loop.remove_reader(opened)
        opened.close()

    def close(self) -> None:
        for opened in (self._inside, self._outside):
            self._shut(opened)


async def play_through(desk: MediaDesk, pc: RTCPeerConnection, router: Router) -> Answered:
    """As `MediaDesk.play`, with the router in the place of the server."""
    await pc.setLocalDescription(await pc.createOffer())
    request_id = desk.request_id()
    desk.media.send(PlayOffer(request_id, PeerId("viewer"), pc.localDescription.sdp))
    answer = await desk.answer_of(request_id)
    assert isinstance(answer, Answered), answer
    assert isinstance(desk.media, LocalMedia)
    sdp = answer.sdp.replace(f" {desk.media.port} typ", f" {router.port} typ")
    await pc.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
    return answer


async def test_media_follows_a_viewer_whose_router_forgets_him() -> None:
    """aiortc nominates once: its checks for consent, every 4 to 6 s, are all that tells."""
    async with local_media() as desk, peer() as host, peer() as viewer:
        assert isinstance(desk.media, LocalMedia)
        router = Router(("127.0.0.1", desk.media.port))
        await publish(desk, host, "host")
        viewer.addTransceiver("video", direction="recvonly")
        answer = await play_through(desk, viewer, router)
        mid = point(desk, answer, 0, "host", 1)
        await desk.wait(SlotLive, lambda e: e.mid == mid)
        await next_picture(viewer, 0)
        router.forget()
        # Not pictures: aiortc takes ten seconds more to give up on those that were lost meanwhile.
        await router.wait_delivered(60)
        assert not [event for event in desk.events if isinstance(event, PeerClosed)]
        router.close()

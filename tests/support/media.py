"""Peers of another make against our media plane: aiortc over real UDP, no HTTP between."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

from aiortc import RTCPeerConnection, RTCSessionDescription

from media.seam import (
    Answered,
    ClosePeer,
    Event,
    MediaPort,
    PeerId,
    PlayOffer,
    PublishOffer,
    Refused,
    RequestId,
    Source,
)
from media.worker import LocalMedia

PATIENCE_S = 20.0
E = TypeVar("E")

SOURCES: dict[str, Source] = {"audio": "microphone", "video": "camera"}


class MediaDesk:
    """Sends commands to a media port and remembers every event, for tests to wait on."""

    def __init__(self, media: MediaPort) -> None:
        self.media = media
        self.events: list[Event] = []
        self._news = asyncio.Condition()
        self._numbers = itertools.count(1)
        self._pending: set[asyncio.Task[None]] = set()
        media.subscribe(self._on_event)

    def _on_event(self, event: Event) -> None:
        self.events.append(event)
        task = asyncio.get_running_loop().create_task(self._notify())
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)

    async def _notify(self) -> None:
        async with self._news:
            self._news.notify_all()

    async def wait(
        self, kind: type[E], accept: Callable[[E], bool] = lambda _: True, *, after: int = 0
    ) -> E:
        """The first event of that kind from index `after` on; fails after `PATIENCE_S`."""
        async with asyncio.timeout(PATIENCE_S), self._news:
            while True:
                for event in self.events[after:]:
                    if isinstance(event, kind) and accept(event):
                        return event
                await self._news.wait()

    def request_id(self) -> RequestId:
        return RequestId(f"req-{next(self._numbers)}")

    async def answer_of(self, request_id: RequestId) -> Answered | Refused:
        async with asyncio.timeout(PATIENCE_S), self._news:
            while True:
                for event in self.events:
                    if isinstance(event, Answered | Refused) and event.request_id == request_id:
                        return event
                await self._news.wait()

    async def publish(
        self, pc: RTCPeerConnection, peer: str, owner: str, *, group: str = ""
    ) -> Answered:
        """Offer what `pc` sends and complete the exchange."""
        sdp = await _offer(pc)
        request_id = self.request_id()
        offer = PublishOffer(request_id, PeerId(peer), sdp, owner, SOURCES, group=group)
        self.media.send(offer)
        return await self._complete(pc, request_id)

    async def play(self, pc: RTCPeerConnection, peer: str, *, group: str = "") -> Answered:
        """Offer what `pc` receives and complete the exchange; slots are still empty."""
        sdp = await _offer(pc)
        request_id = self.request_id()
        self.media.send(PlayOffer(request_id, PeerId(peer), sdp, group=group))
        return await self._complete(pc, request_id)

    async def _complete(self, pc: RTCPeerConnection, request_id: RequestId) -> Answered:
        answer = await self.answer_of(request_id)
        assert isinstance(answer, Answered), answer
        await pc.setRemoteDescription(RTCSessionDescription(answer.sdp, "answer"))
        return answer

    def close(self, peer: str) -> None:
        self.media.send(ClosePeer(PeerId(peer), "test_over"))


async def _offer(pc: RTCPeerConnection) -> str:
    await pc.setLocalDescription(await pc.createOffer())
    sdp = pc.localDescription.sdp
    assert isinstance(sdp, str)
    return sdp


@contextlib.asynccontextmanager
async def local_media() -> AsyncIterator[MediaDesk]:
    """A media plane on a free port of loopback."""
    media = LocalMedia(host="127.0.0.1", port=0)
    desk = MediaDesk(media)
    await media.start()
    try:
        yield desk
    finally:
        await media.close()

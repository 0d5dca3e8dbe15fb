"""One publishing peer of the crowd, with the media that it sends."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Self, TypeAlias

from loadtest.clip.clip import Clip
from loadtest.clip.publisher import ClipPublisher
from loadtest.clip.sender import PublisherStats
from loadtest.rtc.light_peer import LightPeer, SocketFactory
from loadtest.targets.target import MediaSession

Layers: TypeAlias = Sequence[tuple[str | None, Clip]]
"""(rid, clip); one without rid when there is no simulcast."""

NO_MEDIA: Final[Layers] = ()


class Broadcast:
    """Made by `begin`; sends until `end`."""

    def __init__(self, session: MediaSession, publisher: ClipPublisher) -> None:
        self._session = session
        self._publisher = publisher
        self._sending = asyncio.create_task(publisher.run(), name="crowd-publisher")

    @classmethod
    async def begin(
        cls,
        negotiate: Callable[[LightPeer], Awaitable[MediaSession]],
        layers: Layers,
        *,
        rng: random.Random,
        audio: bool = True,
        video: bool = True,
        open_socket: SocketFactory | None = None,
    ) -> Self:
        """`negotiate` connects the peer to the server; what it raises goes on, the peer freed."""
        peer = LightPeer(
            "sendonly",
            audio=int(audio),
            video=int(video),
            video_codecs=(layers[0][1].spec.codec,),
            rids=[rid for rid, _ in layers if rid is not None],
            open_socket=open_socket,
        )
        try:
            session = await negotiate(peer)
        except BaseException:
            await peer.close()
            raise
        return cls(session, ClipPublisher(peer, layers, rng=rng, audio=audio, video=video))

    @property
    def stats(self) -> PublisherStats:
        return self._publisher.stats

    async def end(self) -> Exception | None:
        """Stop sending and tell the server. Returns what had ended the sending before, if so."""
        self._sending.cancel()
        result = (await asyncio.gather(self._sending, return_exceptions=True))[0]
        await self._session.close()
        return result if isinstance(result, Exception) else None

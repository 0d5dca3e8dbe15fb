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

    def __init__(
        self,
        peer: LightPeer,
        session: MediaSession,
        publisher: ClipPublisher,
        on_cut_off: Callable[[str], None],
    ) -> None:
        self._peer = peer
        self._session = session
        self._publisher = publisher
        self._on_cut_off = on_cut_off
        self._sending = asyncio.create_task(publisher.run(), name="crowd-publisher")
        peer.on_dead = self._stop_sending
        if peer.dead:  # while it joined
            self._stop_sending()

    @classmethod
    async def begin(
        cls,
        negotiate: Callable[[LightPeer], Awaitable[MediaSession]],
        layers: Layers,
        *,
        rng: random.Random,
        on_cut_off: Callable[[str], None],
        audio: bool = True,
        video: bool = True,
        open_socket: SocketFactory | None = None,
    ) -> Self:
        """`negotiate` connects the peer to the server; what it raises goes on, the peer freed.
        `on_cut_off` is told why when the connection ends before `end` is called."""
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
        publisher = ClipPublisher(peer, layers, rng=rng, audio=audio, video=video)
        return cls(peer, session, publisher, on_cut_off)

    @property
    def is_cut_off(self) -> bool:
        return self._peer.dead

    @property
    def stats(self) -> PublisherStats:
        return self._publisher.stats

    async def end(self) -> Exception | None:
        """Stop sending and tell the server. Returns what had ended the sending before, if so."""
        self._peer.on_dead = None  # what the server closes now, we asked it to
        self._sending.cancel()
        result = (await asyncio.gather(self._sending, return_exceptions=True))[0]
        await self._session.close()
        return result if isinstance(result, Exception) else None

    def _stop_sending(self) -> None:
        self._sending.cancel()
        self._on_cut_off(self._peer.why_dead)

"""Signaling's end of the media seam: questions become awaitable, events find their owner.

One `MediaLink` wraps one `MediaPort`. Whoever opens a transport gives the handler of its events;
the handler is forgotten after `PeerClosed`, so an event of a closed peer reaches nobody.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
from collections.abc import Callable
from typing import Final, TypeVar

from media import seam
from media.errors import OFFER_CODES
from media.seam import CodecPolicy, PeerId, RequestId, TrackId
from signaling.errors import Refusal

log = logging.getLogger(__name__)

REPLY_LIMIT_S: Final = 5.0
"""An offer is answered in some ms; five seconds mean that the media process is gone."""

PeerHandler = Callable[[seam.Event], None]
"""Called in the loop with every notification about one peer, in order; must not block."""

_Reply = seam.Answered | seam.IceRestarted | seam.Stats | seam.Refused
_R = TypeVar("_R", seam.Answered, seam.IceRestarted, seam.Stats)


def new_peer_id() -> PeerId:
    """128 random bits: the WHIP and WHEP session URL is made of it (RFC 9725 §4.5)."""
    return PeerId(secrets.token_urlsafe(16))


class MediaLink:
    """Commands with futures for their answers, and the table of peers and their handlers."""

    def __init__(self, port: seam.MediaPort, *, reply_limit_s: float = REPLY_LIMIT_S) -> None:
        self._port = port
        self._reply_limit_s = reply_limit_s
        self._requests: dict[RequestId, asyncio.Future[_Reply]] = {}
        self._numbers = itertools.count(1)
        self._handlers: dict[PeerId, PeerHandler] = {}
        self._all_closed = asyncio.Event()
        port.subscribe(self._on_event)

    def has(self, peer_id: PeerId) -> bool:
        """True until `PeerClosed` of that peer."""
        return peer_id in self._handlers

    async def publish(
        self,
        peer_id: PeerId,
        sdp: str,
        owner: str,
        sources: dict[str, seam.Source],
        policy: CodecPolicy,
        handler: PeerHandler,
        *,
        group: str = "",
    ) -> seam.Answered:
        """Answer a publisher's offer. Raises `Refusal` with the words of `media.errors`.

        `group` is shared by those who see each other's sources, as people in a room do."""
        request_id = self._request_id()
        command = seam.PublishOffer(request_id, peer_id, sdp, owner, sources, policy, group)
        return await self._offer(command, handler)

    async def play(
        self,
        peer_id: PeerId,
        sdp: str,
        max_audio: int,
        max_video: int,
        policy: CodecPolicy,
        handler: PeerHandler,
        *,
        group: str = "",
    ) -> seam.Answered:
        """Answer a viewer's offer of slots. Raises `Refusal` with the words of `media.errors`."""
        request_id = self._request_id()
        command = seam.PlayOffer(request_id, peer_id, sdp, max_audio, max_video, policy, group)
        return await self._offer(command, handler)

    async def restart_ice(self, peer_id: PeerId, ufrag: str, pwd: str) -> seam.IceRestarted:
        """New remote credentials of a live peer. Raises `Refusal("unknown_peer")`."""
        command = seam.RestartIce(self._request_id(), peer_id, ufrag, pwd)
        return await self._ask(command, seam.IceRestarted)

    async def stats(self, peer_ids: tuple[PeerId, ...] = ()) -> seam.Stats:
        return await self._ask(seam.QueryStats(self._request_id(), peer_ids), seam.Stats)

    def point_slot(
        self, peer_id: PeerId, mid: str, track_id: TrackId | None, generation: int
    ) -> None:
        self._port.send(seam.PointSlot(peer_id, mid, track_id, generation))

    def shape_slot(
        self, peer_id: PeerId, mid: str, size: seam.SlotSize, max_layer: seam.LayerName | None
    ) -> None:
        self._port.send(seam.ShapeSlot(peer_id, mid, size, max_layer))

    def mute_track(self, track_id: TrackId, muted: bool) -> None:
        self._port.send(seam.MuteTrack(track_id, muted))

    def close_peer(self, peer_id: PeerId, reason: str) -> None:
        """`PeerClosed` with this reason follows, through the peer's handler."""
        if peer_id in self._handlers:
            self._port.send(seam.ClosePeer(peer_id, reason))

    async def close(self, reason: str = "shutting_down", limit_s: float = 2.0) -> None:
        """Close every peer and wait (at most `limit_s`) until media has said so."""
        if self._handlers:
            self._all_closed.clear()
            for peer_id in list(self._handlers):
                self.close_peer(peer_id, reason)
            try:
                async with asyncio.timeout(limit_s):
                    await self._all_closed.wait()
            except TimeoutError:
                log.warning("media_peers_left_open peers=%d", len(self._handlers))
        for waiting in self._requests.values():
            waiting.cancel()

    def _request_id(self) -> RequestId:
        return RequestId(str(next(self._numbers)))

    async def _offer(
        self, command: seam.PublishOffer | seam.PlayOffer, handler: PeerHandler
    ) -> seam.Answered:
        self._handlers[command.peer_id] = handler
        answered = refused = False
        try:
            reply = await self._ask(command, seam.Answered)
            answered = True
            return reply
        except Refusal as refusal:
            refused = refusal.code in OFFER_CODES
            raise
        finally:
            if not answered:
                self._handlers.pop(command.peer_id, None)
            if not answered and not refused:
                # No answer in time, or the asker gave up: a transport nobody knows must not live.
                self._port.send(seam.ClosePeer(command.peer_id, "abandoned"))

    async def _ask(
        self,
        command: seam.PublishOffer | seam.PlayOffer | seam.RestartIce | seam.QueryStats,
        answer_type: type[_R],
    ) -> _R:
        waiting: asyncio.Future[_Reply] = asyncio.get_running_loop().create_future()
        self._requests[command.request_id] = waiting
        try:
            self._port.send(command)
            async with asyncio.timeout(self._reply_limit_s):
                reply = await waiting
        except TimeoutError as error:
            raise Refusal("internal", "The media server did not answer.") from error
        finally:
            del self._requests[command.request_id]
        if isinstance(reply, seam.Refused):
            raise Refusal(reply.code, reply.message)
        assert isinstance(reply, answer_type), "media answered another question"
        return reply

    def _on_event(self, event: seam.Event) -> None:
        match event:
            case seam.Answered() | seam.IceRestarted() | seam.Stats() | seam.Refused():
                waiting = self._requests.get(event.request_id)
                if waiting is not None and not waiting.done():
                    waiting.set_result(event)
            case seam.PeerClosed():
                handler = self._handlers.pop(event.peer_id, None)
                if handler is not None:
                    handler(event)
                if not self._handlers:
                    self._all_closed.set()
            case _:
                handler = self._handlers.get(event.peer_id)
                if handler is not None:
                    handler(event)

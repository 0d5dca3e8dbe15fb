"""Janus VideoRoom, started for the run in a network namespace with an address of its own.

It gets a namespace because Janus 1.1.2 does no ICE on the loopback interface. What it is told
beyond its shipped defaults is in `info().settings`.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

import aiohttp

from loadtest.rtc.light_peer import LightPeer
from loadtest.targets.isolation import isolated
from loadtest.targets.janus_api import JanusApi, Reply
from loadtest.targets.janus_config import DEBUG_LEVEL, NOT_INSTALLED, write_config
from loadtest.targets.media_only import MediaOnly
from loadtest.targets.program import folder_of, running
from loadtest.targets.target import Member, Refused, TargetError, TargetInfo

WEBSOCKET_PORT: Final = 8188
NOT_LIVE_RETRY_S: Final = 0.5
ROOM_SETTINGS: Final[dict[str, int | str]] = {
    "publishers": 1000,  # 3 by default
    "bitrate": 0,  # no limit
    "fir_freq": 0,  # as by default: key frames when a viewer comes or asks
    "audiocodec": "opus",
    "videocodec": "vp8,h264",
}


@dataclass(slots=True)
class _Room:
    """`feeds`: the ids of its publishers."""

    number: int
    feeds: set[int] = field(default_factory=set)


class JanusSession:
    """One handle: a publisher or a subscriber."""

    def __init__(self, api: JanusApi, handle: int, peer: LightPeer) -> None:
        self._api = api
        self._peer = peer
        self._is_attached = True
        self.handle = handle
        self.left: Callable[[], None] | None = None
        """Called once, when it closes."""

    async def close(self) -> None:
        left, self.left = self.left, None
        is_attached, self._is_attached = self._is_attached, False
        if left is not None:
            left()
        try:
            if is_attached:
                with contextlib.suppress(Refused, TimeoutError):
                    await self._api.detach(self.handle)
        finally:
            await self._peer.close()


class JanusTarget(MediaOnly):
    """A private Janus. A viewer is subscribed to whoever publishes when it comes; it turns down
    the kinds that its peer does not want."""

    def __init__(self, *, event_loops: int | None = None, name: str = "") -> None:
        """`event_loops`: Janus's setting of that name, the threads that all connections share;
        None leaves it unset, as it is shipped: a thread for each connection."""
        self._event_loops = event_loops
        self.name = name or _name(event_loops)
        self._stack = contextlib.AsyncExitStack()
        self._api: JanusApi | None = None
        self._pids: tuple[int, ...] = ()
        self._address = self._url = ""
        self._version = ""
        self._rooms: dict[str, _Room] = {}
        self._making_room = asyncio.Lock()

    async def __aenter__(self) -> Self:
        if shutil.which("janus") is None:
            raise TargetError(NOT_INSTALLED)
        async with contextlib.AsyncExitStack() as stack:
            await self._start(stack)
            self._stack = stack.pop_all()
        return self

    async def _start(self, stack: contextlib.AsyncExitStack) -> None:
        folder = stack.enter_context(folder_of("janus"))
        link = await stack.enter_async_context(isolated("janus"))
        address = self._address = link.inside_address
        write_config(folder, address=address, port=WEBSOCKET_PORT, event_loops=self._event_loops)
        self._url = f"ws://{address}:{WEBSOCKET_PORT}"
        http = await stack.enter_async_context(aiohttp.ClientSession())
        pid = await stack.enter_async_context(
            running(
                "janus",
                ["janus", "--configs-folder", str(folder)],
                lambda: _listens(address),
                log=folder / "janus.log",
                prefix=link.namespace.prefix(),
            )
        )
        self._pids = (pid,)
        self._api = await stack.enter_async_context(JanusApi(http, self._url))
        self._version = str((await self._api.info()).get("version_string", ""))

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._rooms.clear()
        await self._stack.aclose()

    def info(self) -> TargetInfo:
        loops = "unset: a thread for each connection"
        if self._event_loops is not None:
            loops = str(self._event_loops)
        room = ", ".join(f"{name} {value}" for name, value in ROOM_SETTINGS.items())
        return TargetInfo(
            self.name,
            self._url,
            self._version,
            f"event_loops {loops}; room: {room}; debug_level {DEBUG_LEVEL}; VideoRoom and "
            "WebSockets alone; else as shipped; in a network namespace behind a veth pair",
        )

    def server_pids(self) -> Sequence[int]:
        return self._pids

    async def publish(self, peer: LightPeer, who: Member) -> JanusSession:
        """Join the room as a publisher."""
        room = await self._room(who.room)
        async with self._attached(peer) as (api, session):
            reply = await api.message(
                session.handle,
                {
                    "request": "joinandconfigure",
                    "ptype": "publisher",
                    "room": room.number,
                    "display": who.user,
                },
                jsep={"type": "offer", "sdp": peer.offer(self._address)},
            )
            peer.accept(_sdp_of(reply))
            await peer.establish()
            feed = reply.data["id"]
            room.feeds.add(feed)
            session.left = lambda: room.feeds.discard(feed)
        return session

    async def watch(self, peer: LightPeer, who: Member) -> JanusSession:
        """Subscribe to everybody who publishes now; refused while nobody does."""
        room = await self._room(who.room)
        if not room.feeds:
            raise Refused("not_live", "nobody publishes", NOT_LIVE_RETRY_S)
        async with self._attached(peer) as (api, session):
            offer = await api.message(
                session.handle,
                {
                    "request": "join",
                    "ptype": "subscriber",
                    "room": room.number,
                    "streams": [{"feed": feed} for feed in sorted(room.feeds)],
                },
            )
            answer = peer.answer(_sdp_of(offer))
            await api.message(
                session.handle, {"request": "start"}, jsep={"type": "answer", "sdp": answer}
            )
            await peer.establish()
        return session

    async def _room(self, name: str) -> _Room:
        async with self._making_room:
            room = self._rooms.get(name)
            if room is None:
                room = _Room(len(self._rooms) + 1)
                request = {"request": "create", "room": room.number, **ROOM_SETTINGS}
                async with self._handle() as (api, handle):
                    await api.message(handle, request)
                self._rooms[name] = room
            return room

    @contextlib.asynccontextmanager
    async def _handle(self) -> AsyncIterator[tuple[JanusApi, int]]:
        """One that is done with after a request."""
        assert self._api is not None, "enter the context first"
        handle = await self._api.attach()
        try:
            yield self._api, handle
        finally:
            await self._api.detach(handle)

    @contextlib.asynccontextmanager
    async def _attached(self, peer: LightPeer) -> AsyncIterator[tuple[JanusApi, JanusSession]]:
        """A session of its own, closed if the block fails."""
        assert self._api is not None, "enter the context first"
        session = JanusSession(self._api, await self._api.attach(), peer)
        try:
            yield self._api, session
        except BaseException:
            await session.close()
            raise


def _name(event_loops: int | None) -> str:
    return "janus" if event_loops is None else f"janus:event_loops={event_loops}"


def _sdp_of(reply: Reply) -> str:
    if reply.sdp is None:
        raise Refused("janus_no_sdp", f"Janus sent no SDP with {reply.data.get('videoroom')}")
    return reply.sdp


async def _listens(address: str) -> bool:
    try:
        async with asyncio.timeout(1):
            _, writer = await asyncio.open_connection(address, WEBSOCKET_PORT)
    except OSError:
        return False
    writer.close()
    return True

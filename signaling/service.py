"""`RoomService`: everything the front door asks of rooms. Owns all parts of a node and their tasks.

socket ─ join ─> Session ─ handle ─> Desk ─> RoomStore ─> store
                    ▲                                       │
                    └── Hub <── ServedRoom <── LogReader <──┘
                                    │
WHIP, WHEP ────────────────> StageMedia ─> MediaLink ─> media
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Literal

import msgspec
from redis.asyncio import Redis

from media.seam import Answered, IceRestarted, MediaPort, PeerId, Source
from signaling import admission
from signaling.asking.shipped import shipped_asking
from signaling.clock import Clock, SystemClock
from signaling.close_codes import CloseCode
from signaling.connection import Session
from signaling.desk import Desk, engage
from signaling.engagement import EngagementSink
from signaling.errors import Refusal
from signaling.group_writer import GroupWriter
from signaling.housekeeping import Housekeeping
from signaling.hub import Hub
from signaling.identity import ClientLink, Identity
from signaling.ids import RoomId, RoomRef, ShopId
from signaling.lane import Lane
from signaling.log_reader import Entry, LogReader
from signaling.media_figures import MediaFigures
from signaling.media_link import MediaLink
from signaling.media_owner import MediaOwner
from signaling.media_view import MAX_PEERS, RoomMedia
from signaling.options import RoomOptions
from signaling.presence import PresenceBook
from signaling.profiles import ProfileSource
from signaling.protocol import Join
from signaling.room_index import RoomIndex, RoomSummary
from signaling.room_store import RoomStore
from signaling.served_room import Occupancy, Parts, ServedRoom
from signaling.shelves import Shelves
from signaling.sweeper import Sweeper
from signaling.views import IceServer

__all__ = [
    "ClientLink",
    "Clock",
    "Identity",
    "MediaSession",
    "ProfileSource",
    "RoomOptions",
    "RoomService",
    "RoomSummary",
    "ServiceStats",
    "Session",
    "SystemClock",
]

log = logging.getLogger(__name__)

WHIP_SOURCES: Final[dict[str, Source]] = {"audio": "microphone", "video": "camera"}
"""What a WHIP client's m-lines are: it has no way to say it."""
MEDIA_CLOSE_S: Final = 2.0
"""How long a stopping node waits for its seats to be told that their transports ended."""


TIDY_FROM: Final = 64
"""Sessions of ended transports are forgotten when these have doubled: each join pays O(1)."""


class MediaSession(msgspec.Struct, frozen=True, kw_only=True):
    """A WHIP or WHEP session. `ice_tag` is its ETag; a restart of ICE changes it."""

    peer_id: PeerId
    sdp: str
    ice_tag: str
    owner: Identity
    direction: Literal["publish", "play"]


class ServiceStats(msgspec.Struct, frozen=True, kw_only=True):
    """Counters and sizes of this node, for metrics."""

    rooms: int
    sockets: dict[str, int]
    """Open sockets by role."""
    peers: int
    messages_out: dict[str, int]
    """Room events by lane, counted for each socket they were meant for."""
    refusals: dict[str, int]
    """Messages of joined sockets that were refused, by code."""
    frames_out: int
    refused_in: dict[tuple[str, str], int]
    """Messages that were not let in, by lane and reason; their authors were told."""
    shed: dict[tuple[str, str], int]
    """Messages that readers were not given, by lane and reason."""
    slow_readers: int


class RoomService:
    """One per process. `start` before anything else, `close` last; `close` may be called twice.

    `node` must be new at each start of the server: presence of an earlier run is swept by it.
    """

    def __init__(
        self,
        *,
        store: Redis,
        media: MediaPort,
        sink: EngagementSink,
        profiles: ProfileSource,
        options: RoomOptions,
        node: str,
        clock: Clock,
    ) -> None:
        self._options = options
        self._clock = clock
        self._writer = GroupWriter(store)
        self._store = RoomStore(self._writer, clock=clock, rules=options.rules, engage=engage)
        self._link = MediaLink(media)
        presence = PresenceBook(self._writer, node)
        self._reader = LogReader(
            store, self._writer, node=node, deliver=self._deliver, on_restored=self._store_is_back
        )
        desk = Desk(self._store, sink)
        self._parts = Parts(
            store=self._store,
            desk=desk,
            presence=presence,
            reader=self._reader,
            link=self._link,
            sink=sink,
            profiles=profiles,
            clock=clock,
            options=options,
            node=node,
            refusals=Counter(),
            refused_in=Counter(),
            occupancy=Occupancy(),
            figures=MediaFigures(),
            asking=shipped_asking(),
        )
        self._rooms: dict[RoomRef, ServedRoom] = {}
        self._by_stream: dict[str, ServedRoom] = {}
        self._opening: dict[RoomRef, asyncio.Lock] = {}
        self._sessions: dict[PeerId, MediaSession] = {}
        self._tidy_at = TIDY_FROM
        self._housekeeping = Housekeeping(
            self._parts,
            sweeper=Sweeper(
                store=self._store, desk=desk, presence=presence, sink=sink, clock=clock
            ),
            rooms=lambda: list(self._rooms.values()),
            close_room=self._close_room,
        )
        self.shelves = Shelves(self._store, desk)
        self._index = RoomIndex(self._writer, self._store, presence)
        self._is_closing = False
        self._is_closed = False

    async def start(self) -> None:
        await self._writer.start()
        await self._reader.start()
        await self._housekeeping.start()

    async def close(self) -> None:
        """Send every socket away, end visits and transports, then stop."""
        if self._is_closed:
            return
        self._is_closing = self._is_closed = True
        await self._housekeeping.close()
        for room in self._rooms.values():
            room.hub.close_all(CloseCode.SHUTTING_DOWN)
            await room.end_all(CloseCode.SHUTTING_DOWN.reason)
        await self._link.close()
        try:
            async with asyncio.timeout(MEDIA_CLOSE_S):
                for room in self._rooms.values():
                    await room.reporter.wait_idle()
        except TimeoutError:
            log.warning("seats_not_told rooms=%d", len(self._rooms))
        for room in self._rooms.values():
            await room.close()
        await self._reader.close()
        await self._store.close()
        await self._writer.close()

    # --- sockets --------------------------------------------------------------------------------

    async def join(self, who: Identity, join: Join, link: ClientLink) -> Session:
        """Let a verified person in; the welcome is written to `link` before this returns.

        Raises `Refusal`: room_full, server_full, store_unavailable, shutting_down.
        """
        async with self._served(who.ref) as room:
            return await admission.join(room, who, join, link)

    # --- WHIP and WHEP --------------------------------------------------------------------------

    async def whip_publish(self, who: Identity, sdp: str) -> MediaSession:
        """Publish as camera and microphone of the person's seat; a host starts the show with it.

        Raises `Refusal`: not_live, not_on_stage, source_taken, media's reasons.
        """
        async with self._served(who.ref) as room:
            if who.role == "host":
                await room.ensure_created()
            answered = await room.stage.publish(MediaOwner(who), sdp, WHIP_SOURCES)
        return self._open_session(who, answered, "publish")

    async def whep_play(self, who: Identity, sdp: str) -> MediaSession:
        """Play the stage. Raises `Refusal`: not_live (with retry_after_ms), room_full, server_full,
        media's."""
        async with self._served(who.ref) as room:
            if room.stage.peers >= 2 * self._options.max_viewers:
                raise Refusal("room_full", retry_after_ms=admission.ROOM_FULL_RETRY_MS)
            if self._transports() >= 2 * self._options.max_viewers_node:
                raise Refusal("server_full", retry_after_ms=admission.ROOM_FULL_RETRY_MS)
            answered = await room.stage.play(MediaOwner(who), sdp, is_running=room.hub.is_running)
        return self._open_session(who, answered, "play")

    async def restart_ice(self, peer_id: PeerId, ufrag: str, pwd: str) -> IceRestarted:
        """New ICE credentials for a session. Raises `Refusal("unknown_peer")`."""
        session = self.media_session(peer_id)
        if session is None:
            raise Refusal("unknown_peer")
        restarted = await self._link.restart_ice(peer_id, ufrag, pwd)
        self._sessions[peer_id] = msgspec.structs.replace(session, ice_tag=restarted.ice_tag)
        return restarted

    async def close_media(self, peer_id: PeerId, reason: str = "deleted") -> None:
        """End a transport; without effect when it is gone already."""
        self._sessions.pop(peer_id, None)
        self._link.close_peer(peer_id, reason)

    def ice_servers(self, who: Identity) -> tuple[IceServer, ...]:
        """What a client over HTTP may gather candidates with; relays as of now."""
        return self._options.ice_servers_for(who.subject, self._clock.now_ms())

    def media_session(self, peer_id: PeerId) -> MediaSession | None:
        """A WHIP or WHEP session that still lives."""
        if peer_id in self._sessions and not self._link.has(peer_id):
            del self._sessions[peer_id]
        return self._sessions.get(peer_id)

    def _open_session(
        self, who: Identity, answered: Answered, direction: Literal["publish", "play"]
    ) -> MediaSession:
        if len(self._sessions) >= self._tidy_at:
            gone = [peer_id for peer_id in self._sessions if not self._link.has(peer_id)]
            for peer_id in gone:
                del self._sessions[peer_id]
            self._tidy_at = 2 * len(self._sessions) + TIDY_FROM
        session = MediaSession(
            peer_id=answered.peer_id,
            sdp=answered.sdp,
            ice_tag=answered.ice_tag,
            owner=who,
            direction=direction,
        )
        self._sessions[answered.peer_id] = session
        return session

    # --- what operators and shops ask -----------------------------------------------------------

    async def rooms(self, shop: ShopId) -> list[RoomSummary]:
        """Rooms of a shop that were ever opened, those on air first."""
        return await self._index.rooms(shop)

    async def room(self, shop: ShopId, room: RoomId) -> RoomSummary:
        """Raises `Refusal("room_not_found")`."""
        return await self._index.room(RoomRef(shop, room))

    async def media_stats(self, shop: ShopId, room: RoomId) -> RoomMedia:
        """Transports of a room on this node, at most `media_view.MAX_PEERS` of them.
        Raises `Refusal("room_not_found")`."""
        served = self._rooms.get(RoomRef(shop, room))
        if served is None:
            await self._index.room(RoomRef(shop, room))
            return RoomMedia()
        peer_ids = served.stage.peer_ids()[:MAX_PEERS]
        if not peer_ids:
            return RoomMedia()
        stats = await self._link.stats(peer_ids)
        return served.stage.view(peer_ids, {peer.peer_id: peer for peer in stats.peers})

    @property
    def figures(self) -> MediaFigures:
        """How joining went and media goes on this node: the living counts, not a copy."""
        return self._parts.figures

    def stats(self) -> ServiceStats:
        """A snapshot of this node's counters."""
        sockets: dict[str, int] = {}
        for room in self._rooms.values():
            for session in room.hub.sessions():
                role = session.visit.who.role
                sockets[role] = sockets.get(role, 0) + 1
        totals = self._housekeeping.closed_totals
        hubs = [room.hub for room in self._rooms.values()]
        return ServiceStats(
            rooms=len(self._rooms),
            sockets=sockets,
            peers=self._transports(),
            messages_out=self._messages_out(),
            refusals=dict(self._parts.refusals),
            frames_out=totals["frames_out"] + sum(hub.frames_out for hub in hubs),
            refused_in=dict(self._parts.refused_in),
            shed=self._shed(hubs),
            slow_readers=totals["slow_readers"] + sum(hub.slow_readers for hub in hubs),
        )

    def _transports(self) -> int:
        return sum(room.stage.peers for room in self._rooms.values())

    def _shed(self, hubs: list[Hub]) -> dict[tuple[str, str], int]:
        """Of chat that was let in, what readers were not given."""
        totals = self._housekeeping.closed_totals
        return {
            ("chat", "flood"): totals["chat_shed"] + sum(hub.shed_chat for hub in hubs),
            ("chat", "slow_reader"): totals["slow_shed"] + sum(hub.shed_slow for hub in hubs),
        }

    def _messages_out(self) -> dict[str, int]:
        sums = Counter(self._housekeeping.closed_messages)
        for room in self._rooms.values():
            sums += room.hub.messages_out
        return {lane.name.lower(): sums[lane] for lane in Lane}

    # --- rooms of this node ---------------------------------------------------------------------

    @asynccontextmanager
    async def _served(self, ref: RoomRef) -> AsyncIterator[ServedRoom]:
        """The room, opened if need be and kept open while it is used."""
        if self._is_closing:
            raise Refusal("shutting_down")
        room = self._rooms.get(ref) or await self._open_room(ref)
        room.users += 1
        try:
            yield room
        finally:
            room.users -= 1

    async def _open_room(self, ref: RoomRef) -> ServedRoom:
        lock = self._opening.setdefault(ref, asyncio.Lock())
        async with lock:
            try:
                room = self._rooms.get(ref)
                if room is not None:
                    return room
                if len(self._rooms) >= self._options.max_rooms:
                    raise Refusal("room_full", "This server serves too many rooms.")
                room = ServedRoom(ref, self._parts)
                for key in room.streams:
                    self._by_stream[key] = room
                try:
                    await room.open()
                except BaseException:
                    self._forget_streams(room)
                    await room.close()
                    raise
                self._rooms[ref] = room
                return room
            finally:
                self._opening.pop(ref, None)

    async def _close_room(self, room: ServedRoom) -> None:
        """Stop serving a room that nobody uses here."""
        del self._rooms[room.ref]
        self._forget_streams(room)
        await room.close()

    def _forget_streams(self, room: ServedRoom) -> None:
        for key in room.streams:
            self._by_stream.pop(key, None)

    def _deliver(self, key: str, entries: list[Entry]) -> None:
        room = self._by_stream.get(key)
        if room is None:
            return
        try:
            room.deliver(key, entries)
        except Exception:
            # A bug in one room must not deafen the node; its sockets come back and start anew.
            log.exception("delivery_failed stream=%s", key)
            room.hub.close_all(CloseCode.INTERNAL)

    def _store_is_back(self) -> None:
        """What was remembered of the store may be out of date."""
        self._store.forget_states()
        for room in self._rooms.values():
            room.refresh()

"""Who is connected to a room, over all nodes, and who is gone without having said so.

A connection is written once at join and erased at leave. That it still lives is said by its node:
one field per node and room, refreshed every 15 s. What belongs to a node that fell silent for 45 s
is swept by any other one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

from signaling.group_writer import Argument, GroupWriter
from signaling.ids import ConnId, RoomId, RoomRef, ShopId, Subject
from signaling.store_keys import RoomKeys, active_rooms_key, shops_key
from signaling.views import Role

REFRESH_S: Final = 15.0
STALE_MS: Final = 45_000
"""Three missed refreshes."""
DWELL_AFTER_SEEN_MS: Final = 15_000
"""A swept person is taken to have stayed until the refresh after the last one that was seen."""


class Presence(msgspec.Struct, frozen=True, array_like=True):
    """One connection. `node` is the run of a server, new at each start."""

    subject: Subject
    name: str
    role: Role
    joined_ms: int
    show_id: str
    node: str


class Orphan(NamedTuple):
    """A connection whose node is gone; `until_ms` is when it is taken to have ended."""

    conn: ConnId
    presence: Presence
    until_ms: int


class Attendance(NamedTuple):
    """Everything known of a room at one moment. `uplinks`: whose media arrives at which node."""

    conns: dict[ConnId, Presence]
    uplinks: dict[Subject, str]
    seen_ms: dict[str, int]

    def is_alive(self, node: str, now_ms: int) -> bool:
        return self.seen_ms.get(node, 0) > now_ms - STALE_MS

    def orphans(self, now_ms: int) -> list[Orphan]:
        return [
            Orphan(conn, presence, self._until_ms(presence))
            for conn, presence in self.conns.items()
            if not self.is_alive(presence.node, now_ms)
        ]

    def orphaned_uplinks(self, now_ms: int) -> list[Subject]:
        return [
            subject for subject, node in self.uplinks.items() if not self.is_alive(node, now_ms)
        ]

    def is_here(self, subject: str, now_ms: int) -> bool:
        """True when a living node has a connection of this person."""
        return any(
            presence.subject == subject and self.is_alive(presence.node, now_ms)
            for presence in self.conns.values()
        )

    def name_of(self, subject: str, now_ms: int) -> str | None:
        for presence in self.conns.values():
            if presence.subject == subject and self.is_alive(presence.node, now_ms):
                return presence.name
        return None

    def _until_ms(self, presence: Presence) -> int:
        seen_ms = max(presence.joined_ms, self.seen_ms.get(presence.node, 0))
        return seen_ms + DWELL_AFTER_SEEN_MS


class PresenceBook:
    """Presence in the store. Raises `Refusal("store_unavailable")`."""

    def __init__(self, writer: GroupWriter, node: str) -> None:
        self._writer = writer
        self.node = node

    async def enter(self, ref: RoomRef, conn: ConnId, presence: Presence, now_ms: int) -> None:
        keys = RoomKeys(*ref)
        await asyncio.gather(
            self._writer.execute("HSET", keys.conns, conn, _encoder.encode(presence)),
            self._writer.execute("HSET", keys.nodes, self.node, now_ms),
            self._writer.execute("ZADD", active_rooms_key(ref.shop), now_ms, ref.room),
        )

    async def leave(self, ref: RoomRef, conn: ConnId) -> None:
        await self._writer.execute("HDEL", RoomKeys(*ref).conns, conn)

    async def uplink_began(self, ref: RoomRef, subject: Subject, now_ms: int) -> None:
        keys = RoomKeys(*ref)
        await asyncio.gather(
            self._writer.execute("HSET", keys.uplinks, subject, self.node),
            self._writer.execute("HSET", keys.nodes, self.node, now_ms),
            self._writer.execute("ZADD", active_rooms_key(ref.shop), now_ms, ref.room),
        )

    async def uplink_ended(self, ref: RoomRef, subject: Subject) -> None:
        await self._writer.execute("HDEL", RoomKeys(*ref).uplinks, subject)

    async def uplink_node(self, ref: RoomRef, subject: Subject) -> str | None:
        """The node that says it receives this person's media."""
        node = await self._writer.execute("HGET", RoomKeys(*ref).uplinks, subject)
        return None if node is None else str(node, "ascii")

    async def refresh(self, refs: Iterable[RoomRef], now_ms: int) -> None:
        """Say that this node serves these rooms; one pipeline for all of them."""
        commands: list[tuple[Argument, ...]] = []
        for ref in refs:
            commands.append(("HSET", RoomKeys(*ref).nodes, self.node, now_ms))
            commands.append(("ZADD", active_rooms_key(ref.shop), now_ms, ref.room))
        await asyncio.gather(*(self._writer.execute(*command) for command in commands))

    async def count(self, ref: RoomRef) -> int:
        """Connections of the room on all nodes."""
        return int(await self._writer.execute("HLEN", RoomKeys(*ref).conns))

    async def attendance(self, ref: RoomRef) -> Attendance:
        """Read everything. Some hundred bytes a connection: for sweeps and rare questions."""
        keys = RoomKeys(*ref)
        conns, uplinks, nodes = await asyncio.gather(
            self._writer.execute("HGETALL", keys.conns),
            self._writer.execute("HGETALL", keys.uplinks),
            self._writer.execute("HGETALL", keys.nodes),
        )
        return Attendance(
            conns={ConnId(k.decode()): _decoder.decode(v) for k, v in _pairs(conns)},
            uplinks={Subject(k.decode()): v.decode() for k, v in _pairs(uplinks)},
            seen_ms={k.decode(): int(v) for k, v in _pairs(nodes)},
        )

    async def erase(self, ref: RoomRef, orphans: list[Orphan], uplinks: list[Subject]) -> None:
        """Take out what was swept."""
        keys = RoomKeys(*ref)
        if orphans:
            await self._writer.execute("HDEL", keys.conns, *(orphan.conn for orphan in orphans))
        if uplinks:
            await self._writer.execute("HDEL", keys.uplinks, *uplinks)

    async def forget_nodes(self, ref: RoomRef, nodes: list[str]) -> None:
        """Take out runs of servers that ended."""
        if nodes:
            await self._writer.execute("HDEL", RoomKeys(*ref).nodes, *nodes)

    async def abandoned_rooms(self, now_ms: int) -> list[RoomRef]:
        """Rooms that had people and that no node has refreshed for long."""
        refs: list[RoomRef] = []
        for shop in map(
            ShopId, map(bytes.decode, await self._writer.execute("SMEMBERS", shops_key()))
        ):
            rooms = await self._writer.execute(
                "ZRANGEBYSCORE", active_rooms_key(shop), 0, now_ms - STALE_MS, "LIMIT", 0, 100
            )
            refs += [RoomRef(shop, RoomId(room.decode())) for room in rooms]
        return refs

    async def close_room(self, ref: RoomRef) -> None:
        """Nobody is in it any more, on any node."""
        await self._writer.execute("ZREM", active_rooms_key(ref.shop), ref.room)


def _pairs(reply: dict[bytes, bytes] | list[bytes]) -> Iterable[tuple[bytes, bytes]]:
    """A hash as the client library hands it over: a map, or a flat list inside pipelines."""
    if isinstance(reply, dict):
        return reply.items()
    return zip(reply[::2], reply[1::2], strict=True)


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Presence)

"""Nodes and people for tests of rooms: the real service and store, with both ports recorded."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, Self

import msgspec
from redis.asyncio import Redis

from signaling.clock import SystemClock
from signaling.close_codes import CloseCode
from signaling.connection import Session
from signaling.engagement import Engagement
from signaling.identity import Identity
from signaling.ids import RoomId, ShopId, Subject
from signaling.options import RoomOptions
from signaling.protocol import InMessage, Join, Positions
from signaling.service import RoomService
from signaling.views import ProfileView, Role
from tests.support.recording_media import RecordingMedia

LIMIT_S = 10.0
Said = dict[str, Any]

GRANTS: dict[Role, frozenset[str]] = {
    "viewer": frozenset({"chat", "ask", "like", "request_mic"}),
    "guest": frozenset({"chat", "ask", "like", "request_mic"}),
    "staff": frozenset(
        {"chat", "ask", "like", "manage_stage", "manage_questions", "see_profiles", "api"}
    ),
    "host": frozenset(
        {
            "chat", "ask", "like", "publish", "host_show",
            "manage_stage", "manage_questions", "see_profiles", "api",
        }
    ),
}  # fmt: skip


class ShiftedClock(SystemClock):
    """The machine's clock, which a test may set forward."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.ahead_ms

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead_ms / 1000


class RecordingLink:
    """The client's end of a socket: what the server wrote, decoded."""

    def __init__(self, encoding: Literal["json", "msgpack"] = "json") -> None:
        self.encoding: Literal["json", "msgpack"] = encoding
        self.batches: list[Said] = []
        self.messages: list[Said] = []
        self.closed: CloseCode | None = None
        self.unsent_bytes = 0
        self.writes = 0
        self._changed = asyncio.Event()

    def write(self, frame: bytes) -> None:
        if self.closed is not None:
            return
        decode = msgspec.json.decode if self.encoding == "json" else msgspec.msgpack.decode
        batch = decode(frame)
        self.writes += 1
        self.batches.append(batch)
        self.messages += batch["messages"]
        self._changed.set()

    def write_together(self, frames: Sequence[bytes]) -> None:
        for frame in frames:
            self.write(frame)
        self.writes -= len(frames) - 1

    def buffered_bytes(self) -> int:
        return self.unsent_bytes

    def close(self, code: CloseCode) -> None:
        self.closed = self.closed or code
        self._changed.set()

    def position(self, stream: Literal["log", "chat"]) -> str:
        return str(next(b[stream] for b in reversed(self.batches) if stream in b))

    def resume(self) -> Positions:
        return Positions(log=self.position("log"), chat=self.position("chat"))

    def chats(self) -> list[str]:
        return [str(message["chat"]["text"]) for message in self.of("chat_said")]

    def of(self, kind: str) -> list[Said]:
        return [message for message in self.messages if message["type"] == kind]

    async def until_count(self, kind: str, count: int) -> None:
        await self.until(lambda: len(self.of(kind)) >= count)

    async def until(self, is_so: Callable[[], Any], limit_s: float = LIMIT_S) -> None:
        """Wait until something is true after some frame."""
        try:
            async with asyncio.timeout(limit_s):
                while not is_so():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"never so; the last frames: {self.messages[-8:]}") from None

    async def next(self, kind: str, **fields: object) -> Said:
        """The first message of a type (with these fields), as soon as it is there."""

        def found() -> list[Said]:
            return [m for m in self.of(kind) if all(m.get(k) == v for k, v in fields.items())]

        await self.until(found)
        return found()[0]


class RecordingSink:
    """The retention store's port."""

    def __init__(self) -> None:
        self.events: list[Engagement] = []
        self.durable: list[Engagement] = []
        self._changed = asyncio.Event()

    def emit(self, event: Engagement, /) -> None:
        self.events.append(event)
        self._changed.set()

    async def emit_durably(self, events: list[Engagement], /) -> None:
        await asyncio.sleep(0)
        self.durable += events
        self.events += events
        self._changed.set()

    async def next(self, kind: str, limit_s: float = LIMIT_S) -> Engagement:
        """The first engagement of a type, as soon as it was told."""
        async with asyncio.timeout(limit_s):
            while not self.of(kind):
                self._changed.clear()
                await self._changed.wait()
        return self.of(kind)[0]

    def of(self, kind: str) -> list[Engagement]:
        """Told engagements of a type; the same one told twice counts once."""
        return list({e.event_id: e for e in self.events if e.type == kind}.values())


class EmptyProfiles:
    async def profile(self, shop: ShopId, subject: Subject, /) -> ProfileView:
        return ProfileView(subject=subject, visits=3)


class Person:
    """Somebody with a socket."""

    def __init__(self, node: Node, who: Identity, link: RecordingLink, session: Session) -> None:
        self.node = node
        self.who = who
        self.link = link
        self.session = session

    @property
    def welcome(self) -> Said:
        return self.link.of("welcome")[0]

    async def say(self, message: InMessage) -> Said:
        """Handle a message; returns its ack, or the error of the same id."""
        key = getattr(message, "id", None)
        seen = len(self.link.messages)

        def replies() -> list[Said]:
            since = self.link.messages[seen:]
            return [m for m in since if m["type"] in ("ack", "error") and m["id"] == key]

        await self.session.handle(message)
        await self.link.until(replies)
        return replies()[0]

    async def ok(self, message: InMessage) -> Said:
        reply = await self.say(message)
        assert reply["type"] == "ack", reply
        return reply

    async def answer(self, message: InMessage) -> str:
        """Send an offer; returns the peer id of its answer."""
        await self.session.handle(message)
        reply = await self.link.next("sdp_answer", id=getattr(message, "id", None))
        return str(reply["peer_id"])

    async def drop(self, reason: str = "connection_lost") -> None:
        await self.session.leave(reason)


GENEROUS: Final = RoomOptions(
    chat_burst=10_000, chat_per_s=10_000, chat_room_per_s=100_000, ask_burst=10_000
)


class Node:
    """One server process, as far as rooms are concerned."""

    def __init__(
        self, url: str, shop: ShopId, room: RoomId, options: RoomOptions | None = None
    ) -> None:
        self.shop = shop
        self.room = room
        self.store: Redis = Redis.from_url(url)
        self.media = RecordingMedia()
        self.sink = RecordingSink()
        self.clock = ShiftedClock()
        self.service = RoomService(
            store=self.store,
            media=self.media,
            sink=self.sink,
            profiles=EmptyProfiles(),
            options=options or GENEROUS,
            node=secrets.token_hex(4),
            clock=self.clock,
        )

    async def __aenter__(self) -> Self:
        await self.service.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.service.close()
        await self.store.aclose()

    async def die(self) -> None:
        """End as by kill -9: nothing more is said, neither to the store nor to anybody."""
        self.service._sessions.clear()
        await self.service._housekeeping.close()
        await self.service._reader.close()
        await self.service._store.close()
        await self.service._writer.close()
        for room in self.service._rooms.values():
            await room.close()
        self.service._is_closed = True

    def identity(self, name: str, role: Role = "viewer") -> Identity:
        return Identity(
            shop=self.shop,
            room=self.room,
            subject=Subject(f"s-{name}"),
            user=name,
            name=name,
            role=role,
            grants=GRANTS[role],
        )

    async def join(
        self,
        name: str,
        role: Role = "viewer",
        *,
        resume: Positions | None = None,
        conn: str | None = None,
        encoding: Literal["json", "msgpack"] = "json",
    ) -> Person:
        link = RecordingLink(encoding)
        who = self.identity(name, role)
        session = await self.service.join(who, Join("token", resume=resume, conn=conn), link)
        return Person(self, who, link, session)

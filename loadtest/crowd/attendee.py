"""One person who is in: comes, watches or publishes, talks, takes the mic, leaves."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import aiohttp

from loadtest.crowd.broadcast import NO_MEDIA, Broadcast, Layers
from loadtest.crowd.tally import Kind, Tally
from loadtest.rtc.light_peer import LightPeer, PeerError, SocketFactory
from loadtest.scenario.actions import Person
from loadtest.scenario.model import Group
from loadtest.targets.target import Lane, MediaSession, Member, Refused, RoomSocket, Target

JOIN_WITHIN_S: Final = 15.0
"""How long somebody keeps trying when the server says "not yet"."""
RETRY_AFTER_S: Final = 0.5
IGNORE_LATENCY_S: Final = 2.5
"""What is replayed to a newcomer (a group of pictures, 2 s) was sent before it came: late on
purpose, and no delay of the server's."""
LEAVE_WITHIN_S: Final = 5.0

T = TypeVar("T")
FAILURES: Final = (Refused, PeerError, TimeoutError, OSError, aiohttp.ClientError)
"""What a server, a network or a limit of this machine does to a person: counted, never raised."""


@dataclass(frozen=True, slots=True)
class Access:
    """How a group reaches the target: from which sockets, and by which address of this machine."""

    udp: SocketFactory | None = None
    tcp: SocketFactory | None = None
    host: str | None = None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What everybody of a run shares."""

    target: Target
    room: str
    tally: Tally
    rng: random.Random
    open_sockets: Callable[[], int]
    """How many sockets are in the room now."""


class Attendee:
    """`viewer` and `socket` are there while they are connected, for their counters."""

    def __init__(
        self,
        person: Person,
        group: Group,
        around: Surroundings,
        *,
        access: Access = Access(),
        layers: Layers = NO_MEDIA,
        is_sampled: bool = False,
    ) -> None:
        """`layers`: what this person publishes, on joining or on the mic."""
        self.person = person
        self.group = group
        self._around = around
        self._access = access
        self._layers = layers
        self._is_sampled = is_sampled
        self._member = Member(around.room, person.user, person.role)
        self._watching: MediaSession | None = None
        self._broadcast: Broadcast | None = None
        self.viewer: LightPeer | None = None
        self.socket: RoomSocket | None = None

    @property
    def is_on_stage(self) -> bool:
        """Came to publish, and has not given that up: cut off or not."""
        return self._broadcast is not None

    @property
    def is_publishing(self) -> bool:
        return self._broadcast is not None and not self._broadcast.is_cut_off

    @property
    def is_watching(self) -> bool:
        return self.viewer is not None and not self.viewer.dead

    @property
    def is_in_room(self) -> bool:
        return self.socket is not None and self.socket.is_open

    # --- coming and going ------------------------------------------------------------------

    async def enter(self) -> None:
        """Everything the group does on joining; failures are counted and do not raise."""
        # First what opens the show: the host's picture, and who lets guests in.
        if self.group.publish is not None and self.group.mic is None:
            await self._counted("publish", self._publish)
        parts: list[Awaitable[object]] = []
        if self.group.socket is not None:
            parts.append(self._counted("socket", self._open_socket))
        if self.group.watch is not None:
            parts.append(self._counted("watch", self._watch))
        await asyncio.gather(*parts)

    async def leave(self) -> None:
        """Say goodbye to the server. May be repeated."""
        watching, self._watching = self._watching, None
        viewer, self.viewer = self.viewer, None
        if viewer is not None:
            viewer.on_dead = None  # what the server closes now, we asked it to
        socket, self.socket = self.socket, None
        with contextlib.suppress(*FAILURES):
            async with asyncio.timeout(LEAVE_WITHIN_S):
                await self._end_broadcast()
                if watching is not None:
                    await watching.close()
                if socket is not None:
                    await socket.close()
        if socket is not None:
            for text, count in socket.complaints.items():
                self._around.tally.complain(text, count)

    async def _counted(self, kind: Kind, part: Callable[[], Awaitable[float]]) -> bool:
        """`part` returns the seconds that it took."""
        tally = self._around.tally
        tally.try_to(kind)
        try:
            seconds = await _patiently(part)
        except FAILURES as error:
            tally.complain(f"{kind} failed: {reason(error)}")
            return False
        except asyncio.CancelledError:
            tally.complain(f"{kind} failed: still trying when it was time to leave")
            raise
        tally.succeed(kind, seconds)
        return True

    # --- media -----------------------------------------------------------------------------

    async def _publish(self) -> float:
        return await self._begin_broadcast(
            lambda peer: self._around.target.publish(peer, self._member)
        )

    async def _begin_broadcast(
        self, negotiate: Callable[[LightPeer], Awaitable[MediaSession]]
    ) -> float:
        of = self.group.publish
        loop = asyncio.get_running_loop()
        start = loop.time()
        self._broadcast = await Broadcast.begin(
            negotiate,
            self._layers,
            rng=random.Random(self._around.rng.random()),
            on_cut_off=lambda why: self._around.tally.complain(f"a publisher was cut off: {why}"),
            audio=of is None or of.audio,
            video=of is None or of.video,
            open_socket=self._access.udp,
        )
        return loop.time() - start

    async def _end_broadcast(self) -> None:
        broadcast, self._broadcast = self._broadcast, None
        if broadcast is None:
            return
        tally = self._around.tally
        tally.key_frames_asked += broadcast.stats.keyframe_requests
        if broadcast.stats.skipped:
            tally.complain("the tester was too slow for a frame", broadcast.stats.skipped)
        error = await broadcast.end()
        if error is not None:
            tally.complain(f"publishing ended early: {reason(error)}")

    async def _watch(self) -> float:
        of = self.group.watch
        assert of is not None, "asked for by the group"
        peer = LightPeer(
            "recvonly",
            audio=of.audio,
            video=of.video,
            feedback=of.feedback,
            open_socket=self._access.udp,
        )
        loop = asyncio.get_running_loop()
        start = loop.time()
        try:
            self._watching = await self._around.target.watch(peer, self._member)
        except BaseException:
            await peer.close()
            raise
        try:
            async with asyncio.timeout(JOIN_WITHIN_S):
                await peer.receiving.wait()
        except TimeoutError:
            await self._watching.close()
            raise PeerError(f"connected, but no packet in {JOIN_WITHIN_S:g} s") from None
        self.viewer = peer
        peer.on_dead = lambda: self._around.tally.complain(f"a viewer was cut off: {peer.why_dead}")
        if self._is_sampled:
            loop.call_later(IGNORE_LATENCY_S, self._sample, peer)
        return loop.time() - start

    def _sample(self, peer: LightPeer) -> None:
        if self.viewer is peer:
            peer.on_latency = self._around.tally.see_latency

    # --- talking ---------------------------------------------------------------------------

    async def _open_socket(self) -> float:
        encoding = self.group.socket
        assert encoding is not None, "asked for by the group"
        loop = asyncio.get_running_loop()
        start = loop.time()
        self.socket = await self._around.target.open_socket(
            self._member,
            encoding=encoding,
            on_delay=self._see if self._is_sampled or self.group.manages else None,
            manages=self.group.manages,
            tcp=self._access.tcp,
            host=self._access.host,
        )
        if self.group.manages:
            self._around.tally.expect_questions()
        return loop.time() - start

    def _see(self, lane: Lane, seconds: float) -> None:
        if lane != "question":
            self._around.tally.see_message(lane, seconds)
        elif self.group.manages:
            # A question's delay is that to who answers it; its asker sees it, too.
            self._around.tally.see_question(seconds)

    async def chat(self, text: str) -> None:
        await self._say("chat", lambda to: to.chat(text))

    async def ask(self, text: str) -> None:
        await self._say("question", lambda to: to.ask(text))

    async def like(self, count: int) -> None:
        await self._say("ambient", lambda to: to.like(count))

    async def _say(self, lane: Lane, send: Callable[[RoomSocket], Awaitable[None]]) -> None:
        """Who is not in (yet, any more) says nothing."""
        socket, tally = self.socket, self._around.tally
        if socket is None or not socket.is_open:
            return
        try:
            await send(socket)
        except Refused as refused:
            tally.refuse(lane, refused.code)
        except FAILURES as error:
            tally.complain(f"{lane} failed: {reason(error)}")
        else:
            tally.send(lane, self._around.open_sockets())

    async def take_mic(self, hold_s: float) -> None:
        """A turn on the stage: wait for the seat, publish for `hold_s`, give it back."""
        socket = self.socket
        if self.is_on_stage or socket is None or not socket.is_open:
            return
        if not await self._counted("mic", lambda: self._begin_broadcast(socket.take_mic)):
            return
        try:
            await asyncio.sleep(hold_s)
        finally:
            await self._end_broadcast()


async def _patiently(part: Callable[[], Awaitable[T]]) -> T:
    """Again, for as long as the server says when to come back."""
    loop = asyncio.get_running_loop()
    give_up = loop.time() + JOIN_WITHIN_S
    while True:
        try:
            return await part()
        except Refused as refused:
            wait_s = refused.retry_after_s
            if wait_s is None or loop.time() + wait_s > give_up:
                raise
            await asyncio.sleep(max(wait_s, RETRY_AFTER_S))


def reason(error: BaseException) -> str:
    """One line without names or addresses, so that equal failures add up."""
    match error:
        case Refused():
            return error.code
        case TimeoutError():
            return "no answer in time"
        case PeerError():
            return str(error).splitlines()[0]
        case _:
            return type(error).__name__

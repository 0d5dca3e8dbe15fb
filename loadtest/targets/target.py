"""What a crowd needs of a server: the seam between the people of a scenario and a server's dialect.

A target is entered once (`async with`), which starts what is private to the run; then people
publish, watch and open sockets. What a server cannot do is not in its `capabilities`, and a
scenario that needs it is refused before anybody joins.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Protocol, Self

from loadtest.rtc.light_peer import LightPeer, SocketFactory

Role = Literal["host", "guest", "viewer", "staff"]
Encoding = Literal["json", "msgpack"]
Lane = Literal["control", "question", "commerce", "chat", "ambient"]


class Capability(enum.Enum):
    MEDIA = "media"
    CHAT = "chat"
    QUESTIONS = "questions"
    LIKES = "likes"
    MIC = "mic"


class TargetError(Exception):
    """The target cannot be used at all; the message is one line and names the remedy."""


class Refused(Exception):
    """The server said no to one person or one message. `code` is short and without names, so that
    equal refusals can be counted."""

    def __init__(self, code: str, message: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(message or code)
        self.code = code
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Member:
    """Who it is, in which room."""

    room: str
    user: str
    role: Role


@dataclass(frozen=True, slots=True)
class TargetInfo:
    """`version` and `settings` are what a reader needs to repeat the run."""

    name: str
    url: str
    version: str = ""
    settings: str = ""


@dataclass(slots=True)
class SocketCounts:
    """Since the socket was opened. `messages` counts what was delivered, by lane."""

    frames: int = 0
    bytes: int = 0
    messages: dict[Lane, int] = field(default_factory=dict)
    shed: int = 0
    """What the server said it withheld."""


OnDelay = Callable[[Lane, float], None]
"""Called with the lane and the seconds from sending to receiving, when a message has a stamp."""


class MediaSession(Protocol):
    """One negotiated peer."""

    async def close(self) -> None:
        """Tell the server (DELETE, leave) and free the peer. May be repeated; never raises for a
        server that is gone."""


class RoomSocket(Protocol):
    """One person's socket. Every request raises `Refused`, or `TimeoutError`."""

    counts: SocketCounts
    complaints: Counter[str]
    """What went wrong while no request waited for it, by text without names: a lost socket, a
    refused like."""
    reconnects: int
    """How often it was lost and came back by itself."""

    @property
    def is_open(self) -> bool: ...

    async def chat(self, text: str) -> None: ...

    async def ask(self, text: str) -> None:
        """Returns when the server acknowledged the question as stored."""

    async def like(self, count: int) -> None: ...

    async def take_mic(self, peer: LightPeer) -> MediaSession:
        """Ask for a seat, wait until it is granted, publish into it. Closing gives it back."""

    async def close(self) -> None: ...


class Target(Protocol):
    """One server under test."""

    name: str
    capabilities: frozenset[Capability]

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None: ...

    def info(self) -> TargetInfo: ...

    def server_pids(self) -> Sequence[int]:
        """Roots of the process trees that serve; empty when they run elsewhere."""

    async def publish(self, peer: LightPeer, who: Member) -> MediaSession:
        """Negotiate and connect a sending peer. Raises `Refused`, `PeerError`."""

    async def watch(self, peer: LightPeer, who: Member) -> MediaSession:
        """Negotiate and connect a receiving peer. Raises `Refused`, `PeerError`."""

    async def open_socket(
        self,
        who: Member,
        *,
        encoding: Encoding = "json",
        on_delay: OnDelay | None = None,
        manages: bool = False,
        tcp: SocketFactory | None = None,
        host: str | None = None,
    ) -> RoomSocket:
        """Join the room. With `manages` it grants mic requests and answers questions by itself.
        `tcp` makes the socket that is connected (None: an ordinary one); `host` is where, instead
        of the URL's host (a namespace reaches this machine by another address)."""

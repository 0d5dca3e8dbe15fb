"""One person's socket to Nchan: a WebSocket that receives, a publisher that talks."""

from __future__ import annotations

import time
from collections import Counter
from typing import Self
from urllib.parse import quote

from loadtest.rtc.light_peer import LightPeer, SocketFactory
from loadtest.sockets.light_socket import Closed, LightSocket
from loadtest.sockets.stamp import find_stamps, stamp
from loadtest.sockets.upgrade import UpgradeError
from loadtest.targets.nchan_publisher import SEPARATOR, Publisher
from loadtest.targets.target import MediaSession, Member, OnDelay, Refused, SocketCounts


class NchanSocket:
    """A `RoomSocket` that can only chat. Does not come back when it is lost."""

    def __init__(self, who: Member, publisher: Publisher, on_delay: OnDelay | None) -> None:
        self._who = who
        self._publisher = publisher
        self._on_delay = on_delay
        self._light: LightSocket | None = None
        self._is_leaving = False
        self.counts = SocketCounts(messages={"chat": 0})
        self.complaints: Counter[str] = Counter()
        self.reconnects = 0

    @classmethod
    async def connect(
        cls,
        base_url: str,
        who: Member,
        publisher: Publisher,
        *,
        on_delay: OnDelay | None = None,
        tcp: SocketFactory | None = None,
        host: str | None = None,
    ) -> Self:
        """`base_url`: http://host:port. Raises `Refused`, or `TimeoutError`."""
        room_socket = cls(who, publisher, on_delay)
        url = base_url.replace("http", "ws", 1)
        try:
            room_socket._light = await LightSocket.connect(
                f"{url}/subscribe/{quote(who.room, safe='')}",
                on_message=room_socket._on_message,
                on_close=room_socket._on_close,
                tcp=tcp,
                host=host,
            )
        except UpgradeError as error:
            raise Refused(f"http_{error.status}", str(error)) from error
        except OSError as error:
            if isinstance(error, TimeoutError):
                raise
            raise Refused("no_connection", str(error)) from error
        return room_socket

    @property
    def is_open(self) -> bool:
        return self._light is not None and self._light.is_open

    async def chat(self, text: str) -> None:
        """Returns when Nchan took it."""
        await self._publisher.say(self._who, stamp(text, time.time_ns() // 1000))

    async def ask(self, text: str) -> None:
        raise Refused("unsupported", "Nchan has no questions")

    async def like(self, count: int) -> None:
        raise Refused("unsupported", "Nchan has no likes")

    async def take_mic(self, peer: LightPeer) -> MediaSession:
        raise Refused("unsupported", "Nchan has no stage")

    async def close(self) -> None:
        self._is_leaving = True
        if self._light is not None:
            await self._light.close()

    def _on_message(self, frame: bytes) -> None:  # hot path
        counts = self.counts
        counts.frames += 1
        counts.bytes += len(frame)
        counts.messages["chat"] += frame.count(SEPARATOR) + 1
        if self._on_delay is not None:
            now_us = time.time_ns() // 1000
            for sent_us in find_stamps(frame):
                self._on_delay("chat", (now_us - sent_us) / 1e6)

    def _on_close(self, closed: Closed) -> None:
        if not self._is_leaving:
            self.complaints[f"a socket was lost: {closed.code} {closed.reason}".rstrip()] += 1

"""One person's socket to a lianmai room (docs/protocol.md), light enough for thousands.

Frames are counted by their markers; one is decoded only when it holds a reply, or something that
this socket waits for. A socket that is lost comes back by itself where the close code allows it.
"""

from __future__ import annotations

import asyncio
import json
import random
import ssl
import time
from collections import Counter
from typing import Final, Self

import msgpack

from loadtest.rtc.light_peer import LightPeer, SocketFactory
from loadtest.sockets.delays import delays_of
from loadtest.sockets.frames import ABNORMAL
from loadtest.sockets.light_socket import Closed, LightSocket
from loadtest.sockets.manager import Manager
from loadtest.sockets.replies import Replies, refused_by
from loadtest.sockets.seat import take_mic
from loadtest.sockets.shared import Shared
from loadtest.sockets.stamp import STAMP_CHARS, stamp
from loadtest.sockets.tally import REPLIES, Message, decode
from loadtest.sockets.upgrade import UpgradeError
from loadtest.targets.target import Encoding, MediaSession, OnDelay, Refused, SocketCounts

REPLY_WITHIN_S: Final = 10.0
MAX_TEXT_CHARS: Final = 500
"""The room's limit, the stamp included."""
MAX_LIKES: Final = 100
"""Of one message."""
_BACK_OFF_S: Final = (0.5, 15.0)
"""Full jitter: a random time up to 0.5 s, 1 s, 2 s ... 15 s (docs/protocol.md, "Coming back")."""
_MAY_RETURN: Final = range(4000, 4500)
_ENDED: Final = frozenset({ABNORMAL, 1001, 1012})
"""Lost without a close frame, or by a server (or proxy) that goes away: worth coming back."""
_SEATED: Final = frozenset({"seat_taken", "mic_request_ended"})
_MANAGED: Final = frozenset({"mic_requested", "question_asked", "seat_left"})


_FINAL: Final = frozenset(
    {"bad_token", "token_expired", "wrong_room", "forbidden", "bad_message", "room_full"}
)
"""Refusals of a join after which the protocol asks not to come back."""

_UNREAD: Final = frozenset({"rate_limited", "bad_message", "too_large"})


class LianmaiSocket:
    """A `RoomSocket`. Make one with `connect`.

    `complaints` counts what went wrong while no request waited for it; `reconnects` how often it
    came back.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        encoding: Encoding,
        on_delay: OnDelay | None,
        manages: bool,
        tcp: SocketFactory | None,
        host: str | None,
        tls: ssl.SSLContext | None,
        shared: Shared | None,
        rng: random.Random | None,
    ) -> None:
        self._url = url
        self._token = token
        self._encoding: Encoding = encoding
        self._on_delay = on_delay
        self._tcp = tcp
        self._host = host
        self._tls = tls
        self._shared = shared or Shared()
        self._tallies = self._shared.tallies[encoding]
        self._rng = rng or random.Random()
        self._loop = asyncio.get_running_loop()
        self._light: LightSocket | None = None
        self._welcome: asyncio.Future[Message] | None = None
        self._replies = Replies()
        self._positions: dict[str, str] = {}
        self._conn: str | None = None
        self._is_joined = False
        self._is_leaving = False
        self._returning: asyncio.Task[None] | None = None
        self._manager: Manager | None = None
        self._managing: asyncio.Task[None] | None = None
        self._wanted = REPLIES
        if on_delay is not None:
            self._wanted |= {"seat_taken"}
        self.counts = SocketCounts()
        self.complaints: Counter[str] = Counter()
        self.reconnects = 0
        self._seat: asyncio.Future[None] | None = None
        self.subject = ""
        """Our pseudonym in the room."""
        if manages:
            self._wanted |= _MANAGED
            self._manager = Manager(
                self.request,
                decisions=self._shared.decisions,
                complaints=self.complaints,
                clock=self._loop.time,
            )

    @classmethod
    async def connect(
        cls,
        url: str,
        token: str,
        *,
        encoding: Encoding = "json",
        on_delay: OnDelay | None = None,
        manages: bool = False,
        tcp: SocketFactory | None = None,
        host: str | None = None,
        tls: ssl.SSLContext | None = None,
        shared: Shared | None = None,
        rng: random.Random | None = None,
    ) -> Self:
        """Open `url` (ws:// or wss://, `/ws` of the server) and join with `token`.

        `on_delay` makes it a sampled socket; `tcp` and `host` are those of `LightSocket.connect`.
        `shared` is what all sockets of a target have in common, `rng` draws the waits before
        coming back. Raises `Refused`, or `TimeoutError`.
        """
        room_socket = cls(
            url,
            token,
            encoding=encoding,
            on_delay=on_delay,
            manages=manages,
            tcp=tcp,
            host=host,
            tls=tls,
            shared=shared,
            rng=rng,
        )
        try:
            await room_socket._join()
        except BaseException:
            await room_socket.close()
            raise
        if room_socket._manager is not None:
            room_socket._managing = asyncio.create_task(
                room_socket._manager.run(), name="room-manager"
            )
        return room_socket

    @property
    def is_open(self) -> bool:
        """Joined, and not lost (then it may be coming back)."""
        return self._is_joined and self._light is not None and self._light.is_open

    async def chat(self, text: str) -> None:
        """Returns when the room admitted it."""
        await self.request("chat", text=self._stamped(text))

    async def ask(self, text: str) -> None:
        """Returns when the question is stored."""
        await self.request("ask", text=self._stamped(text))

    async def like(self, count: int) -> None:
        """Nothing is answered; a refusal is a complaint."""
        while count > 0:
            self.say("like", count=min(count, MAX_LIKES))
            count -= MAX_LIKES

    async def take_mic(self, peer: LightPeer) -> MediaSession:
        """Waits for whoever manages the stage. Raises `Refused`, `TimeoutError`, `PeerError`."""
        return await take_mic(self, peer)

    async def request(self, kind: str, **fields: object) -> Message:
        """Send a command and wait for its reply. Raises `Refused`, or `TimeoutError`."""
        with self._replies.expect() as (key, reply):
            self.say(kind, id=key, **fields)
            try:
                async with asyncio.timeout(REPLY_WITHIN_S):
                    return await reply
            except TimeoutError as error:
                raise TimeoutError(f"{kind}: no reply within {REPLY_WITHIN_S:g} s") from error

    def say(self, kind: str, **fields: object) -> None:
        """Send a message without waiting. Raises `Refused` when the socket is not open."""
        if self._light is None or not self._light.is_open:
            raise Refused("closed", "the socket is closed")
        message = {"type": kind, **fields}
        if self._encoding == "json":
            self._light.send_text(json.dumps(message, ensure_ascii=False).encode())
        else:
            self._light.send_binary(msgpack.packb(message))

    async def close(self) -> None:
        """Leave the room. May be repeated."""
        self._is_leaving = True
        tasks = [task for task in (self._returning, self._managing) if task is not None]
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        if self._light is not None:
            await self._light.close()
        for end in ends:
            # Both tasks handle what may happen to them: anything else is a bug.
            if isinstance(end, Exception):
                raise end

    def wait_seat(self) -> asyncio.Future[None]:
        """Done when a seat of our own is taken; fails with `Refused` when the request ended
        otherwise. One at a time: `stop_waiting_seat` before the next."""
        if self._seat is not None:
            raise Refused("already_requested")
        self._seat = self._loop.create_future()
        self._wanted |= _SEATED
        return self._seat

    def stop_waiting_seat(self) -> None:
        if self._seat is not None:
            self._seat.cancel()
        self._seat = None
        self._wanted -= _SEATED if self._on_delay is None else {"mic_request_ended"}

    # --- joining -----------------------------------------------------------------------------

    async def _join(self) -> None:
        self._welcome = self._loop.create_future()
        try:
            async with asyncio.timeout(REPLY_WITHIN_S):
                self._light = await self._open()
                self.say("join", token=self._token, **self._where())
                welcome = await self._welcome
        except TimeoutError as error:
            raise TimeoutError(f"no welcome within {REPLY_WITHIN_S:g} s") from error
        finally:
            self._welcome.cancel()
            self._welcome = None
        if self._light.closed.done():
            # Lost before this task came to read the welcome: nobody else will notice.
            raise Refused(f"closed_{self._light.closed.result().code}")
        self._is_joined = True
        self._take_welcome(welcome)

    async def _open(self) -> LightSocket:
        try:
            return await LightSocket.connect(
                self._url,
                on_message=self._on_message,
                on_close=self._on_close,
                subprotocols=(f"lianmai.{self._encoding}",),
                tls=self._tls,
                tcp=self._tcp,
                host=self._host,
            )
        except UpgradeError as error:
            raise Refused(f"http_{error.status}", str(error)) from error
        except OSError as error:
            if isinstance(error, TimeoutError):
                raise
            raise Refused("no_connection", str(error)) from error

    def _where(self) -> dict[str, object]:
        if not self._positions:
            return {}
        return {"resume": dict(self._positions), "conn": self._conn}

    def _take_welcome(self, welcome: Message) -> None:
        if self._positions and self._conn is not None and not welcome["recovered"]:
            self.complaints["came back, but what was missed is lost"] += 1
        self._conn = welcome["conn"]
        self.subject = welcome["you"]["subject"]
        if self._manager is not None:
            for request in welcome["stage"]["requests"]:
                self._manager.mic_requested(request["subject"])
            for question in welcome["questions"]:
                if question["phase"] == "open":
                    self._manager.question_asked(question["question_id"])

    # --- receiving ---------------------------------------------------------------------------

    def _on_message(self, frame: bytes) -> None:  # hot path
        counts = self.counts
        counts.frames += 1
        counts.bytes += len(frame)
        tally = self._tallies.tally(frame)
        for lane, messages in tally.lanes:
            counts.messages[lane] = counts.messages.get(lane, 0) + messages
        if tally.chat is not None:
            self._positions["chat"] = tally.chat
        if tally.log is not None:
            self._positions["log"] = tally.log
        if self._on_delay is not None:
            now_us = time.time_ns() // 1000
            for lane, delay_s in delays_of(frame, tally.kinds, self._encoding, now_us):
                self._on_delay(lane, delay_s)
        if not self._wanted.isdisjoint(tally.kinds):
            self._read(frame)

    def _read(self, frame: bytes) -> None:
        """A frame with something that is waited for. Raises `ValueError` for nonsense."""
        batch = decode(frame, self._encoding)
        for stream in ("log", "chat"):
            if batch.get(stream) is not None:
                self._positions[stream] = batch[stream]
        try:
            for message in batch["messages"]:
                if message["type"] == "welcome":
                    self._tallies.check(frame)
                if message["type"] in self._wanted:
                    self._take(message)
        except (LookupError, TypeError, AttributeError) as error:
            raise ValueError(f"a message that docs/protocol.md does not know: {error!r}") from error

    def _take(self, message: Message) -> None:
        match message["type"]:
            case "ack" | "sdp_answer" | "pong" | "profile":
                self._replies.settle(message)
            case "error":
                self._refuse(message)
            case "welcome":
                if self._welcome is not None and not self._welcome.done():
                    self._welcome.set_result(message)
            case "shed":
                self.counts.shed += message["count"]
            case "token_renewed":
                self._token = message["token"]
            case "seat_taken":
                self._seat_taken(message["seat"]["subject"])
            case "mic_request_ended":
                self._request_ended(message["subject"], message["outcome"])
            case "mic_requested" if self._manager is not None:
                self._manager.mic_requested(message["request"]["subject"])
            case "question_asked" if self._manager is not None:
                self._manager.question_asked(message["question"]["question_id"])
            case "seat_left" if self._manager is not None:
                self._manager.seat_left()

    def _refuse(self, error: Message) -> None:
        refused = refused_by(error)
        if self._welcome is not None and not self._welcome.done():
            self._welcome.set_exception(refused)
        elif _is_of_request(error) and self._replies.refuse(error.get("id"), refused):
            return
        else:
            self.complaints[f"refused: {refused.code}"] += 1

    def _seat_taken(self, subject: str) -> None:
        if self._seat is not None and subject == self.subject and not self._seat.done():
            self._seat.set_result(None)
        if self._on_delay is not None:
            delay_s = self._shared.decisions.delay_s(subject, self._loop.time())
            if delay_s is not None:
                self._on_delay("control", delay_s)

    def _request_ended(self, subject: str, outcome: str) -> None:
        if subject != self.subject or outcome == "accepted":
            return
        if self._seat is not None and not self._seat.done():
            self._seat.set_exception(Refused(f"mic_{outcome}"))

    def _stamped(self, text: str) -> str:
        return stamp(text[: MAX_TEXT_CHARS - STAMP_CHARS], time.time_ns() // 1000)

    # --- coming back -------------------------------------------------------------------------

    def _on_close(self, closed: Closed) -> None:
        why = f"closed_{closed.code}"
        self._replies.refuse_all(Refused(why, f"the socket was lost: {closed.code}"))
        if self._welcome is not None and not self._welcome.done():
            self._welcome.set_exception(Refused(why))
        # A join that failed is told to whoever joined, who also decides about the next one.
        if not self._is_joined:
            return
        self._is_joined = False
        if not self._is_leaving:
            self.complaints[f"a socket was lost: {closed.code} {closed.reason}".rstrip()] += 1
            if closed.code in _MAY_RETURN or closed.code in _ENDED:
                self._returning = self._loop.create_task(self._return(), name="room-return")

    async def _return(self) -> None:
        limit_s, longest_s = _BACK_OFF_S
        while True:
            await asyncio.sleep(self._rng.uniform(0, limit_s))
            limit_s = min(2 * limit_s, longest_s)
            try:
                await self._join()
            except (Refused, TimeoutError) as error:
                code = error.code if isinstance(error, Refused) else "timeout"
                self.complaints[f"could not come back: {code}"] += 1
                if self._light is not None:
                    await self._light.close()
                if code in _FINAL:
                    return
            else:
                self.reconnects += 1
                return


def _is_of_request(error: Message) -> bool:
    """A like has no `id`, either: only what is not even read is refused in the name of a request
    without saying which (docs/protocol.md, "Talking")."""
    if error.get("id") is not None:
        return True
    return error["code"] in _UNREAD and error.get("lane") != "ambient"

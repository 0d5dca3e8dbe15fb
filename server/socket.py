"""`GET /ws`: a WebSocket becomes a session of a room (docs/protocol.md).

The front checks what is about the connection: subprotocol, origin, first message in time, token,
size and rate of messages, well-formedness. What a message means is the session's business.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from typing import Final, Literal, Protocol

from aiohttp import WSMsgType, hdrs, web

from server.app_keys import DOORKEEPER, HEALTH, LIMITS, METRICS, ROOMS, SETTINGS, SIGNING
from server.http_auth import Doorkeeper
from server.logs import get_log
from server.metrics import Metrics
from server.rate_limit import Bucket, admit
from server.socket_link import SocketLink
from server.token_renewal import TokenRenewal
from server.ws_frames import FrameCache
from signaling.close_codes import CloseCode
from signaling.codec import decode_untrusted, encode
from signaling.errors import Refusal
from signaling.protocol import MAX_FRAME_BYTES, SUBPROTOCOLS, Batch, Error, InMessage, Join
from signaling.service import RoomService, Session

LEAVING_CODES: Final = frozenset({0, 1000, 1001, 1005})
"""Closes that mean goodbye (RFC 6455 §7.4.1: normal, going away, none given). With any other code a
client gives up a socket that seemed dead to it, and may come back into its visit."""
JOIN_TIMEOUT_S: Final = 5.0
HEARTBEAT_S: Final = 20.0
"""Mean interval of our pings; each socket takes its own, so that they never come in step."""
HEARTBEAT_JITTER: Final = 0.25
MESSAGES_PER_S: Final = 50.0
MESSAGES_BURST: Final = 100
"""Ceiling on everything one socket says, far above what a person or a console does."""
MAX_BAD_MESSAGES: Final = 10
MAX_REFUSED_BY_RATE: Final = 100
"""A client that goes on after so many `rate_limited` is not listening."""

_CLOSE_FOR: Final[dict[str, CloseCode]] = {
    "bad_token": CloseCode.BAD_TOKEN,
    "token_expired": CloseCode.TOKEN_EXPIRED,
    "room_full": CloseCode.ROOM_FULL,
    "server_full": CloseCode.ROOM_FULL,
    "not_joined": CloseCode.BAD_MESSAGE,
    "bad_message": CloseCode.BAD_MESSAGE,
    "too_large": CloseCode.TOO_LARGE,
    "store_unavailable": CloseCode.STORE_UNAVAILABLE,
    "conflict": CloseCode.STORE_UNAVAILABLE,
    "shutting_down": CloseCode.SHUTTING_DOWN,
    "internal": CloseCode.INTERNAL,
}
"""How a refused join ends the socket; every other refusal is `FORBIDDEN`."""

_log: Final = get_log(__name__)
_frames: Final = web.AppKey("socket_frames", FrameCache)


def add_routes(app: web.Application) -> None:
    app[_frames] = FrameCache()
    app.router.add_get("/ws", websocket)


async def websocket(request: web.Request) -> web.StreamResponse:
    """Upgrade, then talk until either side leaves."""
    app = request.app
    admit(app[LIMITS].sockets, request)
    check_origin(request, app[SETTINGS].origins)
    if app[HEALTH].is_draining:
        raise Refusal("shutting_down")
    ws: web.WebSocketResponse[Literal[False]] = web.WebSocketResponse(
        protocols=SUBPROTOCOLS,
        heartbeat=HEARTBEAT_S * random.uniform(1 - HEARTBEAT_JITTER, 1 + HEARTBEAT_JITTER),
        # Larger than what we take, so that a slightly too large message gets our own close code.
        max_msg_size=4 * MAX_FRAME_BYTES,
        compress=False,
        decode_text=False,
    )
    await ws.prepare(request)
    transport = request.transport
    if transport is None:
        return ws
    metrics = app[METRICS]
    encoding = encoding_of(ws.ws_protocol)
    link = SocketLink(
        transport=transport,
        encoding=encoding or "json",
        frames=app[_frames],
        counters=metrics.counters,
    )
    conversation = Conversation(
        ws=ws,
        link=link,
        rooms=app[ROOMS],
        doorkeeper=app[DOORKEEPER],
        renewal=TokenRenewal(signing=app[SIGNING], link=link),
        metrics=metrics,
    )
    metrics.counters.sockets_open += 1
    try:
        if encoding is None:
            link.close(CloseCode.WRONG_SUBPROTOCOL)
            await conversation.wait_closed()
        else:
            await conversation.run()
    finally:
        metrics.counters.sockets_open -= 1
        conversation.finish()
    return ws


def check_origin(request: web.Request, origins: Iterable[str]) -> None:
    """Only listed pages and our own may connect, where the operator listed any."""
    origin = request.headers.get(hdrs.ORIGIN)
    allowed = tuple(origins)
    if origin is None or not allowed or origin in allowed:
        return
    if origin.partition("://")[2] != request.host:
        raise Refusal("forbidden", "Pages of this origin may not use the server.")


def encoding_of(subprotocol: str | None) -> Literal["json", "msgpack"] | None:
    """The encoding that a negotiated subprotocol names; None without one."""
    match subprotocol:
        case "lianmai.json":
            return "json"
        case "lianmai.msgpack":
            return "msgpack"
        case _:
            return None


class _Incoming(Protocol):
    """What is used of an aiohttp WebSocket message."""

    @property
    def type(self) -> WSMsgType: ...

    @property
    def data(self) -> bytes: ...


class Conversation:
    """One socket from its join to its end."""

    def __init__(
        self,
        *,
        ws: web.WebSocketResponse[Literal[False]],
        link: SocketLink,
        rooms: RoomService,
        doorkeeper: Doorkeeper,
        renewal: TokenRenewal,
        metrics: Metrics,
    ) -> None:
        self._ws = ws
        self._link = link
        self._rooms = rooms
        self._doorkeeper = doorkeeper
        self._renewal = renewal
        self._metrics = metrics
        self._wanted = WSMsgType.TEXT if link.encoding == "json" else WSMsgType.BINARY
        self._bucket = Bucket(
            rate_per_s=MESSAGES_PER_S,
            burst=MESSAGES_BURST,
            now=asyncio.get_running_loop().time(),
        )
        self._bad_messages = 0
        self._refused_by_rate = 0

    async def run(self) -> None:
        """Join, talk, leave. Ends when the socket does."""
        session = await self._join()
        if session is None:
            await self.wait_closed()
            return
        reason = "internal"
        try:
            reason = await self._talk(session)
        finally:
            await session.leave(reason)

    async def wait_closed(self) -> None:
        """Read until the peer answers our close frame or is cut off."""
        while not _is_end(await self._ws.receive()):
            pass

    def finish(self) -> None:
        """Release timers; see `SocketLink.finish`."""
        self._renewal.stop()
        self._link.finish()

    async def _join(self) -> Session | None:
        """The session of a valid first message, or None after having said and closed why not."""
        loop = asyncio.get_running_loop()
        try:
            message = await self._ws.receive(JOIN_TIMEOUT_S)
        except TimeoutError:
            self._link.close(CloseCode.JOIN_TIMEOUT)
            return None
        if _is_end(message):
            return None
        started_at = loop.time()
        try:
            join = self._decode(message)
            if not isinstance(join, Join):
                raise Refusal("not_joined")
            session = await self._admitted(join)
        except Refusal as refusal:
            self._say(refusal)
            self._link.close(_CLOSE_FOR.get(refusal.code, CloseCode.FORBIDDEN))
            return None
        except Exception:
            # A bug of ours ends this connection only (STYLE §7).
            _log.exception("join_failed")
            self._link.close(CloseCode.INTERNAL)
            return None
        self._metrics.join_seconds.observe(loop.time() - started_at)
        return session

    async def _admitted(self, join: Join) -> Session:
        claims = await self._doorkeeper.verified(join.token)
        if claims.publish_key is not None:
            raise Refusal("forbidden", "A publish key opens WHIP only.")
        who = await self._doorkeeper.identity(claims)
        session = await self._rooms.join(who, join, self._link)
        self._renewal.start(claims)
        return session

    async def _talk(self, session: Session) -> str:
        """Hand every message to the session; returns why it ended."""
        while True:
            message = await self._ws.receive()
            if _is_end(message):
                return self._end_reason(message)
            if self._link.closed_with is not None or not self._is_within_rate():
                continue
            try:
                decoded = self._decode(message)
            except Refusal as refusal:
                self._bad_message(refusal)
                continue
            self._metrics.counters.message_in(decoded)
            try:
                await session.handle(decoded)
            except Exception:
                # A bug of ours ends this connection only (STYLE §7).
                _log.exception("message_failed", kind=type(decoded).__name__)
                self._link.close(CloseCode.INTERNAL)

    def _decode(self, message: _Incoming) -> InMessage:
        if message.type is not self._wanted:
            raise Refusal("bad_message", f"This socket speaks {self._link.encoding} frames.")
        if len(message.data) > MAX_FRAME_BYTES:
            raise Refusal("too_large")
        return decode_untrusted(message.data, self._link.encoding)

    def _bad_message(self, refusal: Refusal) -> None:
        self._say(refusal)
        self._bad_messages += 1
        if refusal.code == "too_large":
            self._link.close(CloseCode.TOO_LARGE)
        elif self._bad_messages >= MAX_BAD_MESSAGES:
            self._link.close(CloseCode.BAD_MESSAGE)

    def _is_within_rate(self) -> bool:
        wait_s = self._bucket.take(asyncio.get_running_loop().time())
        if wait_s == 0.0:
            return True
        self._say(Refusal("rate_limited", retry_after_ms=round(wait_s * 1000) + 1))
        self._refused_by_rate += 1
        if self._refused_by_rate >= MAX_REFUSED_BY_RATE:
            self._link.close(CloseCode.BAD_MESSAGE)
        return False

    def _say(self, refusal: Refusal) -> None:
        self._metrics.counters.socket_refusals[refusal.code] += 1
        error = Error(
            code=refusal.code,
            message=refusal.message,
            retryable=refusal.retryable,
            retry_after_ms=refusal.retry_after_ms,
            lane=refusal.lane,
            reason=refusal.reason,
        )
        self._link.write(encode(Batch(messages=(error,)), self._link.encoding))

    def _end_reason(self, message: _Incoming) -> str:
        """Ours when we closed, else what aiohttp saw."""
        if self._link.closed_with is not None:
            return self._link.closed_with.reason
        if message.type is WSMsgType.CLOSE and self._ws.close_code in LEAVING_CODES:
            return "client_closed"
        if isinstance(self._ws.exception(), asyncio.TimeoutError):
            self._metrics.counters.socket_closes[CloseCode.PING_TIMEOUT.reason] += 1
            return CloseCode.PING_TIMEOUT.reason
        return "connection_lost"


def _is_end(message: _Incoming) -> bool:
    return message.type not in (WSMsgType.TEXT, WSMsgType.BINARY)

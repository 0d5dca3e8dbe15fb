"""One WebSocket of thousands: an `asyncio.Protocol` over the frame core, no task and no queue.

A message is handed to `on_message` inside the call that read it.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, Self, cast

from loadtest.rtc.light_peer import SocketFactory
from loadtest.sockets.frames import (
    ABNORMAL,
    BINARY,
    CLOSE,
    MAX_MESSAGE_BYTES,
    PING,
    PONG,
    TEXT,
    FrameError,
    FrameParser,
    client_frame,
    close_payload,
    parse_close_untrusted,
)
from loadtest.sockets.upgrade import Address, Upgrade, UpgradeError

CONNECT_WITHIN_S: Final = 10.0
CLOSE_WITHIN_S: Final = 2.0
"""How long a peer may take to answer our close frame, or to close TCP after its own."""
NORMAL: Final = 1000
INVALID_PAYLOAD: Final = 1007


class Closed(NamedTuple):
    """How a socket ended: the close code of the peer (RFC 6455 §7.4), `ABNORMAL` without one."""

    code: int
    reason: str = ""


OnMessage = Callable[[bytes], None]
"""Called for each text or binary message; a `ValueError` says that it is nonsense, and closes."""
OnClose = Callable[[Closed], None]


class LightSocket(asyncio.Protocol):
    """A connected socket. Make one with `connect`.

    `closed` is done when the connection is; `on_close` is called then, once.
    """

    __slots__ = (
        "_cut_off",
        "_is_closing",
        "_on_close",
        "_on_message",
        "_opened",
        "_parser",
        "_peer_close",
        "_transport",
        "_upgrade",
        "closed",
        "subprotocol",
    )

    def __init__(
        self, upgrade: Upgrade, *, on_message: OnMessage, on_close: OnClose | None, max_bytes: int
    ) -> None:
        loop = asyncio.get_running_loop()
        self._upgrade: Upgrade | None = upgrade
        self._opened: asyncio.Future[None] = loop.create_future()
        self._on_message = on_message
        self._on_close = on_close
        self._parser = FrameParser(max_bytes)
        self._transport: asyncio.Transport | None = None
        self._peer_close: Closed | None = None
        self._is_closing = False
        self._cut_off: asyncio.TimerHandle | None = None
        self.closed: asyncio.Future[Closed] = loop.create_future()
        self.subprotocol: str | None = None
        """What the server chose."""

    @classmethod
    async def connect(
        cls,
        url: str,
        *,
        on_message: OnMessage,
        on_close: OnClose | None = None,
        subprotocols: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
        tcp: SocketFactory | None = None,
        host: str | None = None,
        local_addr: tuple[str, int] | None = None,
        max_bytes: int = MAX_MESSAGE_BYTES,
        within_s: float = CONNECT_WITHIN_S,
    ) -> Self:
        """Open a WebSocket to a ws:// or wss:// URL.

        `tls`: whom to trust behind wss:// (None: what this machine trusts). `tcp` makes the socket
        to connect, and `host` is where to, instead of the URL's host. `local_addr` binds an
        ordinary socket: one address has some 28,000 ports to one server. Raises `UpgradeError`,
        `OSError`, or `TimeoutError` after `within_s`.
        """
        address = Address(url)
        upgrade = Upgrade(
            address, nonce=secrets.token_bytes(16), subprotocols=subprotocols, headers=headers
        )
        light = cls(upgrade, on_message=on_message, on_close=on_close, max_bytes=max_bytes)
        try:
            async with asyncio.timeout(within_s):
                await light._dial(address, host or address.host, tls, tcp, local_addr)
                light._write(upgrade.request)
                await light._opened
        except BaseException as error:
            light._give_up()
            if isinstance(error, TimeoutError):
                raise TimeoutError(f"no WebSocket within {within_s:g} s") from error
            raise
        return light

    async def _dial(
        self,
        address: Address,
        host: str,
        tls: ssl.SSLContext | None,
        tcp: SocketFactory | None,
        local_addr: tuple[str, int] | None,
    ) -> None:
        loop = asyncio.get_running_loop()
        secure = (tls or True) if address.is_tls else None
        name = address.host if address.is_tls else None
        if tcp is None:
            await loop.create_connection(
                lambda: self,
                host,
                address.port,
                ssl=secure,
                server_hostname=name,
                local_addr=local_addr,
            )
            return
        raw = tcp()
        try:
            raw.setblocking(False)
            found = await loop.getaddrinfo(
                host, address.port, family=raw.family, type=socket.SOCK_STREAM
            )
            await loop.sock_connect(raw, found[0][4])
            await loop.create_connection(lambda: self, sock=raw, ssl=secure, server_hostname=name)
        except BaseException:
            raw.close()
            raise

    @property
    def is_open(self) -> bool:
        return self._upgrade is None and not self._is_closing and not self.closed.done()

    def send_text(self, payload: bytes) -> None:
        """Dropped silently once the socket closes; `is_open` tells."""
        if self.is_open:
            self._send(TEXT, payload)

    def send_binary(self, payload: bytes) -> None:
        """As `send_text`."""
        if self.is_open:
            self._send(BINARY, payload)

    async def close(self, code: int = NORMAL) -> None:
        """Say goodbye and wait for the peer's; cut off after `CLOSE_WITHIN_S`. May be repeated."""
        self._start_closing(close_payload(code))
        if self._transport is not None:
            await self.closed

    def abort(self) -> None:
        """Cut the connection without a goodbye."""
        self._is_closing = True
        if self._transport is not None:
            self._transport.abort()

    # --- asyncio.Protocol --------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's, and do the same.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:  # hot path
        if self._upgrade is not None:
            data = self._opening(self._upgrade, data)
        try:
            for opcode, payload in self._parser.feed(data):
                if opcode < CLOSE:
                    self._on_message(payload)
                else:
                    self._control(opcode, payload)
        except (FrameError, ValueError) as error:
            self._fail(error)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._upgrade is not None and not self._opened.done():
            self._opened.set_exception(exc or self._upgrade.end())
        if self._cut_off is not None:
            self._cut_off.cancel()
        if not self.closed.done():
            closed = self._peer_close or Closed(ABNORMAL, str(exc or ""))
            self.closed.set_result(closed)
            if self._upgrade is None and self._on_close is not None:
                self._on_close(closed)

    # --- inside ------------------------------------------------------------------------------

    def _opening(self, upgrade: Upgrade, data: bytes) -> bytes:
        """The frames that came with the end of the handshake."""
        if self._opened.done():
            return b""
        try:
            rest = upgrade.feed(data)
        except UpgradeError as error:
            self._opened.set_exception(error)
            return b""
        if rest is None:
            return b""
        self._upgrade = None
        self.subprotocol = upgrade.subprotocol
        self._opened.set_result(None)
        return rest

    def _control(self, opcode: int, payload: bytes) -> None:
        if opcode == PING and self.is_open:
            self._send(PONG, payload)
        elif opcode == CLOSE and self._peer_close is None:
            self._peer_close = Closed(*parse_close_untrusted(payload))
            if not self._is_closing and self._transport is not None:
                self._start_closing(payload[:2])
                # Some servers read nothing more while they stop, our answer neither.
                self._transport.close()

    def _give_up(self) -> None:
        """Nobody waits for the opening any more, nor is told of the end."""
        self._on_close = None
        self._opened.cancel()
        self.abort()

    def _fail(self, error: FrameError | ValueError) -> None:
        code = error.code if isinstance(error, FrameError) else INVALID_PAYLOAD
        self._peer_close = self._peer_close or Closed(ABNORMAL, f"nonsense: {error}")
        self._start_closing(close_payload(code, str(error)))
        self.abort()

    def _start_closing(self, payload: bytes) -> None:
        """Send our close frame, once. The peer closes TCP when it has answered (RFC 6455 §7.1.1),
        so that the port is free again at our side; if it does not, we do."""
        if self._is_closing or self._transport is None:
            return
        self._is_closing = True
        self._send(CLOSE, payload)
        loop = asyncio.get_running_loop()
        self._cut_off = loop.call_later(CLOSE_WITHIN_S, self._transport.abort)

    def _send(self, opcode: int, payload: bytes) -> None:
        self._write(client_frame(opcode, payload, random.getrandbits(32)))

    def _write(self, data: bytes) -> None:
        assert self._transport is not None, "connect() comes first"
        if not self._transport.is_closing():
            self._transport.write(data)

"""The socket of one peer: ICE, DTLS and SRTP keys on it, and whether it still lives. A shell."""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
import socket
from collections.abc import Callable
from typing import Final

from loadtest.rtc.dtls import DtlsEndpoint, DtlsRole, local_fingerprint
from loadtest.rtc.errors import PeerError
from loadtest.rtc.ice import Credentials, IceAgent
from loadtest.rtc.local_sdp import LocalTransport
from loadtest.rtc.sdp import Address, Description
from loadtest.rtc.srtp import SrtpContext, SrtpProfile

SocketFactory = Callable[[], socket.socket]
"""Makes the socket that is then connected: in a namespace, from a certain local address."""

RECEIVE_BUFFER_BYTES: Final = 4 * 1024 * 1024
SOMEWHERE: Final = "192.0.2.1"
"""Documentation's address (RFC 5737): the default route leads there, no packet is sent."""
RECEIVE_BYTES: Final = 2048
READ_AT_MOST: Final = 512
_SO_MEMINFO: Final = 55
_MEMINFO_DROPS: Final = 8
_SHORTEST_TIMER_S: Final = 0.02


def plain_socket() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


class PeerTransport:
    """From `start` to `close`. `on_packet` gets RTP and RTCP that arrives before it is
    established; after that its owner reads the socket and hands the rest to `take_untrusted`."""

    def __init__(
        self,
        *,
        profiles: tuple[SrtpProfile, ...],
        open_socket: SocketFactory | None,
        on_packet: Callable[[bytes], None],
        on_dead: Callable[[], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._open_socket = open_socket or plain_socket
        self._profiles = profiles
        self._on_packet = on_packet
        self._on_dead = on_dead
        self._credentials = Credentials(secrets.token_hex(4), secrets.token_hex(16))
        self.ice = IceAgent(self._credentials, random.Random(secrets.randbits(64)))
        self.srtp: SrtpContext | None = None
        self.death = ""
        """Why the connection ended; empty while it lives."""
        self._dtls: DtlsEndpoint | None = None
        self._has_said_hello = False
        self._remote: Description | None = None
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._alarm: asyncio.TimerHandle | None = None
        self.socket = self._open()

    def _open(self) -> socket.socket:
        opened = self._open_socket()
        opened.setblocking(False)
        if opened.getsockname()[1] == 0:
            opened.bind(("0.0.0.0", 0))
        for option in (getattr(socket, "SO_RCVBUFFORCE", 33), socket.SO_RCVBUF):
            with contextlib.suppress(PermissionError):
                opened.setsockopt(socket.SOL_SOCKET, option, RECEIVE_BUFFER_BYTES)
                break
        return opened

    def describe(self, toward: str | None = None) -> LocalTransport:
        """`toward`: an IPv4 address of the server, to choose our own."""
        address, port = self.socket.getsockname()
        if address == "0.0.0.0":
            address = self._local_address(toward or SOMEWHERE)
        return LocalTransport(
            self._credentials.ufrag, self._credentials.pwd, local_fingerprint(), (address, port)
        )

    def _local_address(self, toward: str) -> str:
        with self._open_socket() as probe:
            try:
                probe.connect((toward, 9))
            except OSError:
                return "127.0.0.1"
            return str(probe.getsockname()[0])

    def accept(self, remote: Description, role: DtlsRole, *, controlling: bool) -> None:
        """What the server's SDP says; `establish` uses it."""
        if not remote.candidates:
            raise PeerError("the server's SDP has no UDP candidate over IPv4")
        self._remote = remote
        self.ice.controlling = controlling
        self._dtls = DtlsEndpoint(role, self._profiles, remote.fingerprint)

    async def establish(self, timeout_s: float) -> None:
        """ICE, DTLS, keys. Raises `PeerError`."""
        assert self._remote is not None, "accept() or answer() comes first"
        self._loop.add_reader(self.socket, self._readable)
        credentials = Credentials(self._remote.ufrag, self._remote.pwd)
        self.ice.start(credentials, self._remote.candidates, self._loop.time())
        self._progress()
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.shield(self._ready)
        except TimeoutError as error:
            raise PeerError(self._why_late(timeout_s)) from error
        finally:
            self._loop.remove_reader(self.socket)
        assert self.ice.selected is not None, "keys come over a selected address"
        self.socket.connect(self.ice.selected)

    def _why_late(self, timeout_s: float) -> str:
        assert self._remote is not None, "establish() checks it"
        if self.ice.selected is not None:
            host, port = self.ice.selected
            return f"no DTLS handshake with {host}:{port} within {timeout_s:g} s"
        addresses = ", ".join(f"{host}:{port}" for host, port in self._remote.candidates)
        if self.ice.refusal:
            return f"{addresses} refuses our ICE checks: {self.ice.refusal}"
        return (
            f"no answer to ICE checks from {addresses} within {timeout_s:g} s: "
            "is the UDP port open?"
        )

    def send(self, datagram: bytes) -> None:
        """To the selected address. What the socket does not take is lost, as on any path."""
        try:
            self.socket.send(datagram)
        except OSError:
            # Full buffer, a refusal that an earlier datagram earned, a link that is down.
            return

    def take_untrusted(self, data: bytes) -> None:
        """STUN or DTLS that came on the connected socket."""
        if self.ice.selected is not None:
            self._take(data, self.ice.selected)
            self._progress()

    def overflows(self) -> int:
        """Datagrams that the kernel dropped at our socket (SO_MEMINFO, SK_MEMINFO_DROPS)."""
        info = self.socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 36)
        return int.from_bytes(info[4 * _MEMINFO_DROPS :], "little")

    def close(self) -> None:
        """Free the socket without a word to the server. May be repeated."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self.socket.fileno() != -1:
            self._loop.remove_reader(self.socket)
            self.socket.close()
        if not self._ready.done():
            self._ready.set_exception(PeerError("the peer was closed while it connected"))
        self._ready.exception()  # seen: nobody may have waited for it

    # --- inside ----------------------------------------------------------------------------

    def _readable(self) -> None:
        for _ in range(READ_AT_MOST):
            try:
                data, source = self.socket.recvfrom(RECEIVE_BYTES)
            except BlockingIOError:
                break
            except OSError:
                continue
            self._take(data, source)
            self._progress()
            if self.srtp is not None:
                break  # the rest belongs to the owner, who reads it in batches

    def _take(self, data: bytes, source: Address) -> None:
        """Told apart by the first byte (RFC 7983)."""
        first = data[0] if data else 255
        if first < 4:
            self.ice.handle_untrusted(data, source, self._loop.time())
        elif 20 <= first < 64 and self._dtls is not None and source in self.ice.valid:
            self._dtls.take_untrusted(data, self._loop.time())
        elif 128 <= first < 192 and self.srtp is None:
            self._on_packet(data)

    def _progress(self) -> None:
        """Send what is to be sent, note what has changed, set the alarm."""
        if self.socket.fileno() == -1:
            return
        while (check := self.ice.poll_transmit()) is not None:
            self._send_to(*check)
        if self._dtls is not None and self.ice.selected is not None:
            if not self._has_said_hello:
                self._has_said_hello = True
                self._dtls.start(self._loop.time())
            while (datagram := self._dtls.poll_transmit()) is not None:
                self._send_to(datagram, self.ice.selected)
            self._settle(self._dtls)
        if self.ice.is_lost:
            self._die("no answer to ICE checks any more")
        self._arm()

    def _send_to(self, datagram: bytes, address: Address) -> None:
        try:
            self.socket.sendto(datagram, address)
        except OSError:
            return  # unreachable, refused or full: another candidate or the next try decides

    def _settle(self, dtls: DtlsEndpoint) -> None:
        if dtls.keys is not None and self.srtp is None:
            self.srtp = SrtpContext(dtls.keys)
            # What comes from here on stays in the socket for the owner.
            self._loop.remove_reader(self.socket)
            if not self._ready.done():
                self._ready.set_result(None)
        if dtls.failure is not None and not self._ready.done():
            self._ready.set_exception(PeerError(dtls.failure))
        if dtls.is_closed:
            self._die("the server closed the connection")

    def _die(self, reason: str) -> None:
        if not self.death:
            self.death = reason
            self._on_dead()

    def _arm(self) -> None:
        deadline = None if self.death else self.ice.next_deadline()
        now = self._loop.time()
        repeat_at = self._dtls.next_deadline(now) if self._dtls is not None else None
        if repeat_at is not None:
            at = max(repeat_at, now + _SHORTEST_TIMER_S)
            deadline = at if deadline is None else min(at, deadline)
        if self._alarm is not None:
            if deadline is not None and self._alarm.when() <= deadline:
                return  # it fires early and looks again
            self._alarm.cancel()
            self._alarm = None
        if deadline is not None:
            self._alarm = self._loop.call_at(deadline, self._wake, deadline)

    def _wake(self, deadline: float) -> None:
        self._alarm = None
        if self._dtls is not None and self.srtp is None and self._has_said_hello:
            self._dtls.handle_timeout(max(deadline, self._loop.time()))
        self.ice.handle_timeout(max(deadline, self._loop.time()))
        self._progress()

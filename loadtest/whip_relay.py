"""A WHIP server on loopback that hands FFmpeg's requests to the real one.

FFmpeg's WHIP muxer (8.1) does not verify certificates, does not tell what a server said when it
refused, and never notices that its session is over: it would send into the void for ever. The
relay does all three. Media does not pass through it.

FFmpeg runs in another process (`loadtest.whip_encoder`): it connects while it holds Python's global
lock, so in one process the two would wait for each other; and it hangs for good in a read when the
server closes DTLS, so somebody must be able to end it.
"""

from __future__ import annotations

import http.client
import json
import re
import secrets
import socket
import ssl
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Final, NamedTuple, Self
from urllib.parse import urljoin, urlsplit

TIMEOUT_S: Final = 10.0
LOOK_EVERY_S: Final = 2.0
MISSES_ALLOWED: Final = 2
"""A server that restarts loses its sessions anyway; this only spares a hiccup of the network."""
MAX_BODY_BYTES: Final = 256 * 1024
SDP_TYPE: Final = "application/sdp"
FRAGMENT_TYPE: Final = "application/trickle-ice-sdpfrag"
_GONE: Final = (404, 410)
OVER: Final = "the server ended the session: the show is over, or another publisher took its place"

_REMEDIES: Final = {
    401: "give the server's --data-dir, or a token from `lianmai token --role host` there",
    403: "make a token with `lianmai token --role host` for this room",
    404: "--server must name a lianmai server, without a path",
    409: "end that one first",
    422: "it sends H.264 and Opus: the server's setting codecs must have them",
}


class Reply(NamedTuple):
    """What the real server answered."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


class Session(NamedTuple):
    """What the server gave us for our offer."""

    url: str
    etag: str
    fragment: bytes


class NoAnswer(Exception):
    """The server cannot be asked: one sentence, the remedy included."""


class WhipRelay:
    """Use as a context manager; give FFmpeg `url`. Its path is a secret: whoever knows it may
    publish with our token."""

    def __init__(
        self,
        target: str,
        token: str,
        tls: ssl.SSLContext,
        on_failure: Callable[[str], None],
        *,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        """`target` is the real WHIP address. `on_failure` gets a sentence, from another thread:
        why the server did not take the stream, or why the session is over."""
        self._target = target
        self._token = token
        self._tls = tls
        self._path = f"/{secrets.token_urlsafe(16)}"
        self._session: Session | None = None
        self._closing = threading.Event()
        self._server = _Server(self)
        self.url = f"http://127.0.0.1:{self._server.server_port}{self._path}"
        self._on_failure = on_failure
        self._look_every_s = look_every_s
        self._threads = [
            threading.Thread(target=self._server.serve_forever, name="whip-relay", daemon=True),
            threading.Thread(target=self._watch, name="whip-watch", daemon=True),
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Ends the session if FFmpeg did not."""
        self._closing.set()
        self.delete(self._path)
        self._server.shutdown()
        self._server.server_close()
        for thread in self._threads:
            thread.join(TIMEOUT_S)

    def post(self, path: str, offer: bytes) -> Reply | None:
        """FFmpeg's offer; None when the server cannot be asked."""
        if path != self._path:
            return None
        try:
            reply = self._ask("POST", self._target, offer, {"Content-Type": SDP_TYPE})
        except NoAnswer as error:
            self._on_failure(str(error))
            return None
        location = reply.headers.get("Location")
        if reply.status == 201 and location:
            etag = reply.headers.get("ETag", "")
            self._session = Session(urljoin(self._target, location), etag, _credentials(offer))
        else:
            self._on_failure(_refusal(reply))
        return reply

    def delete(self, path: str) -> Reply | None:
        """FFmpeg's goodbye."""
        session, self._session = self._session, None
        if session is None or path != self._path:
            return None
        try:
            return self._ask("DELETE", session.url, b"", {})
        except NoAnswer:
            return None  # a server that has gone needs no goodbye

    def _watch(self) -> None:
        misses = 0
        while not self._closing.wait(self._look_every_s):
            session = self._session
            if session is None:
                continue
            try:
                is_over = self._is_over(session)
            except NoAnswer as error:
                misses += 1
                why = f"the server has gone: {error}" if misses > MISSES_ALLOWED else None
            else:
                misses = 0
                why = OVER if is_over else None
            if why is not None and self._session is session:
                self._on_failure(why)
                return

    def _is_over(self, session: Session) -> bool:
        """Ask by a PATCH that changes nothing: it brings no candidate (RFC 9725 §4.3.1)."""
        headers = {"Content-Type": FRAGMENT_TYPE, "If-Match": session.etag}
        return self._ask("PATCH", session.url, session.fragment, headers).status in _GONE

    def _ask(self, method: str, url: str, body: bytes, headers: dict[str, str]) -> Reply:
        """Raises `NoAnswer`."""
        headers = {"Authorization": f"Bearer {self._token}", **headers}
        try:
            connection = self._connection(url)
            try:
                connection.request(method, urlsplit(url).path, body, headers)
                response = connection.getresponse()
                return Reply(response.status, response.headers, response.read(MAX_BODY_BYTES))
            finally:
                connection.close()
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NoAnswer(_no_answer(error)) from error

    def _connection(self, url: str) -> http.client.HTTPConnection:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("it is no address of a server; write --server http://HOST:PORT")
        if parts.scheme == "https":
            return http.client.HTTPSConnection(
                parts.hostname, parts.port, timeout=TIMEOUT_S, context=self._tls
            )
        return http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT_S)


def _no_answer(error: Exception) -> str:
    """What to do about a server that cannot be asked."""
    match error:
        case ssl.SSLCertVerificationError():
            return (
                f"its certificate is not trusted ({error.verify_message}); for a server with "
                "--tls auto give its --data-dir, where the local authority lies"
            )
        case ssl.SSLError():
            return "it does not speak HTTPS; try --server http://..."
        case socket.gaierror():
            return "there is no host of this name; check --server"
        case ConnectionRefusedError():
            return (
                "nothing listens there; start it with `lianmai serve`, or name another with"
                " --server"
            )
        case http.client.HTTPException():
            return "it does not speak HTTP; try --server https://..."
        case ValueError():
            return str(error)
        case _:
            return f"it does not answer ({error}); check --server and the network"


def _refusal(reply: Reply) -> str:
    """The server's own words (RFC 9457) and what may help."""
    try:
        problem = json.loads(reply.body)
        words = f"{problem['detail']}".rstrip(".")
    except (ValueError, KeyError, TypeError):
        words = f"it answered {reply.status}"
    remedy = _REMEDIES.get(reply.status)
    return f"{words} ({reply.status})" + (f"; {remedy}" if remedy else "")


def _credentials(offer: bytes) -> bytes:
    """The lines that an SDP fragment begins with (RFC 8840 §9)."""
    found = [re.search(rb"a=ice-%s:\S+" % name, offer) for name in (b"ufrag", b"pwd")]
    return b"".join(match[0] + b"\r\n" for match in found if match)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, relay: WhipRelay) -> None:
        self.relay = relay
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """FFmpeg was ended while it was being answered: its end is what is told, not this."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # as we got it


class _Handler(BaseHTTPRequestHandler):
    timeout = TIMEOUT_S

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        self._answer(self._relay.post(self.path, self.rfile.read(min(length, MAX_BODY_BYTES))))

    def do_DELETE(self) -> None:
        self._answer(self._relay.delete(self.path))

    @property
    def _relay(self) -> WhipRelay:
        assert isinstance(self.server, _Server), "made by it"
        return self.server.relay

    def _answer(self, reply: Reply | None) -> None:
        status = 502 if reply is None else reply.status
        body = b"" if reply is None else reply.body
        self.send_response(status)
        if reply is not None:
            self.send_header("Content-Type", reply.headers.get("Content-Type", SDP_TYPE))
        if status == 201:
            self.send_header("Location", self.path)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nobody wants to read of these requests."""

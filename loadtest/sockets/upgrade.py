"""The HTTP/1.1 exchange that opens a WebSocket (RFC 6455 §4.1, §4.2.2): a core, no sockets."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import SplitResult, urlsplit

MAX_HEAD_BYTES: Final = 16 * 1024
BODY_SHOWN_BYTES: Final = 200
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""RFC 6455 §1.3."""
_END: Final = b"\r\n\r\n"
_DEFAULT_PORTS: Final = {"ws": 80, "wss": 443}


class UpgradeError(Exception):
    """The server did not open a WebSocket. `status` is 0 when it did not speak HTTP."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Address:
    """Where a ws:// or wss:// URL points; raises `ValueError` for any other."""

    def __init__(self, url: str) -> None:
        parts: SplitResult = urlsplit(url)
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
            raise ValueError(f"{url}: not a ws:// or wss:// URL")
        self.is_tls = parts.scheme == "wss"
        self.host = parts.hostname
        self.port = parts.port or _DEFAULT_PORTS[parts.scheme]
        self.authority = parts.netloc.rpartition("@")[2]
        self.path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


class Upgrade:
    """One opening handshake: send `request`, then `feed` until it returns what follows the head."""

    def __init__(
        self,
        address: Address,
        *,
        nonce: bytes,
        subprotocols: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """`nonce`: 16 random bytes (RFC 6455 §4.1)."""
        key = base64.b64encode(nonce)
        self._accept = base64.b64encode(hashlib.sha1(key + _GUID).digest()).decode()
        self._subprotocols = tuple(subprotocols)
        self._buffer = b""
        lines = [
            f"GET {address.path} HTTP/1.1",
            f"Host: {address.authority}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key.decode()}",
            *(f"{name}: {value}" for name, value in (headers or {}).items()),
        ]
        if subprotocols:
            lines.append(f"Sec-WebSocket-Protocol: {', '.join(subprotocols)}")
        self.request = ("\r\n".join(lines) + "\r\n\r\n").encode()
        self.subprotocol: str | None = None
        """What the server chose."""

    def feed(self, data: bytes) -> bytes | None:
        """None until the head of the answer is whole, then the bytes after it: frames already.
        Raises `UpgradeError`."""
        self._buffer += data
        head, end, rest = self._buffer.partition(_END)
        if not end:
            if len(head) > MAX_HEAD_BYTES:
                raise UpgradeError("the answer has no end of its head")
            return None
        status, fields = _parse_head_untrusted(head)
        if status == 101:
            self._check(fields)
            return rest
        length = fields.get("content-length", "")
        if len(rest) < min(
            int(length) if length.isascii() and length.isdecimal() else MAX_HEAD_BYTES,
            BODY_SHOWN_BYTES,
        ):
            return None
        raise _refusal(status, rest)

    def end(self) -> UpgradeError:
        """Why it failed, when nothing more will come."""
        head, end, rest = self._buffer.partition(_END)
        if not end:
            return UpgradeError("the connection ended before the answer")
        return _refusal(_parse_head_untrusted(head)[0], rest)

    def _check(self, fields: Mapping[str, str]) -> None:
        """RFC 6455 §4.1, "the client must validate"."""
        if fields.get("upgrade", "").lower() != "websocket":
            raise UpgradeError("101 without Upgrade: websocket", 101)
        if "upgrade" not in fields.get("connection", "").lower():
            raise UpgradeError("101 without Connection: Upgrade", 101)
        if fields.get("sec-websocket-accept") != self._accept:
            raise UpgradeError("101 with a wrong Sec-WebSocket-Accept", 101)
        if "sec-websocket-extensions" in fields:
            raise UpgradeError("101 with an extension that was not offered", 101)
        self.subprotocol = fields.get("sec-websocket-protocol")
        if self.subprotocol is not None and self.subprotocol not in self._subprotocols:
            raise UpgradeError("101 with a subprotocol that was not offered", 101)


def _refusal(status: int, body: bytes) -> UpgradeError:
    shown = body[:BODY_SHOWN_BYTES].decode(errors="replace").strip()
    return UpgradeError(f"the server answered {status}: {shown}".rstrip(": "), status)


def _parse_head_untrusted(head: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    code = rest[:3]
    if not version.startswith("HTTP/1.") or not re.fullmatch("[1-5][0-9][0-9]", code):
        raise UpgradeError("the answer is not HTTP/1.1")
    pairs = (line.partition(":") for line in lines)
    return int(code), {name.strip().lower(): value.strip() for name, _, value in pairs}

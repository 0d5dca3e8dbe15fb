"""Addresses of TURN servers: `turn:HOST:PORT?transport=udp` (RFC 7065 §3.1)."""

from __future__ import annotations

import ipaddress
import re
from typing import Final, Literal, NamedTuple, Self

_URL: Final = re.compile(
    r"(?P<scheme>turns?):(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::(?P<port>\d{1,5}))?"
    r"(?:\?transport=(?P<transport>udp|tcp))?"
)
_FORM: Final = "write turn:HOST:3478?transport=udp (or tcp), or turns:HOST:5349?transport=tcp"
_PORTS: Final = {"turn": 3478, "turns": 5349}


class TurnUrl(NamedTuple):
    """`transport` is how a client reaches the relay; the relay itself sends UDP to us."""

    host: str
    port: int
    transport: Literal["udp", "tcp"]
    is_tls: bool

    @classmethod
    def parse(cls, text: str) -> Self:
        """Defaults of RFC 7065: 3478 and udp for turn, 5349 and tcp for turns.

        Raises `ValueError` that shows the accepted form.
        """
        found = _URL.fullmatch(text)
        if found is None or not _is_host(found["host"]) or not _is_port(found["port"]):
            raise ValueError(f"{text!r} is no TURN address; {_FORM}")
        is_tls = found["scheme"] == "turns"
        transport = found["transport"] or ("tcp" if is_tls else "udp")
        if is_tls and transport == "udp":
            raise ValueError(f"{text!r}: no browser does DTLS to a relay; {_FORM}")
        return cls(
            host=found["host"].strip("[]"),
            port=int(found["port"] or _PORTS[found["scheme"]]),
            transport="tcp" if transport == "tcp" else "udp",
            is_tls=is_tls,
        )


def _is_host(text: str) -> bool:
    if not text.startswith("["):
        return True
    try:
        ipaddress.IPv6Address(text.strip("[]"))
    except ValueError:
        return False
    return True


def _is_port(text: str | None) -> bool:
    return text is None or 0 < int(text) <= 65535

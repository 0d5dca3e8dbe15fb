"""Addresses with holes: `https://host/whip/{room}`."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, urlsplit

from loadtest.targets.target import TargetError

HOLES: Final = ("room", "user")
_HOLE: Final = re.compile(r"\{([^{}]*)\}")


class UrlTemplate:
    """What is filled in is percent-encoded. Raises `TargetError` when it is no http(s) URL or has
    an unknown hole."""

    def __init__(self, text: str) -> None:
        self.text: Final = text
        for hole in _HOLE.findall(text):
            if hole not in HOLES:
                raise TargetError(
                    f"{text}: unknown placeholder {{{hole}}}; there are {{room}} and {{user}}"
                )
        try:
            parts = urlsplit(_HOLE.sub("x", text))
            port = parts.port
        except ValueError as error:
            raise TargetError(f"{text}: {error}") from error
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise TargetError(f"{text}: an address starts with http:// or https:// and a host")
        self.host: Final = parts.hostname
        self.port: Final = port or (443 if parts.scheme == "https" else 80)

    def fill(self, *, room: str, user: str) -> str:
        values = {"room": room, "user": user}
        return _HOLE.sub(lambda hole: quote(values[hole[1]], safe=""), self.text)

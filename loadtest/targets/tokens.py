"""Join tokens for a crowd, made here: asking the server's command line for each would take a
process a person."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

import jwt

from loadtest.targets.target import Role

Mint = Callable[[str, str, Role], str]
"""room, user, role -> the Bearer token of that person."""

TTL_S: Final = 24 * 3600
"""Longer than any run: a crowd does not refresh its tokens."""
SECRET_BYTES: Final = 32
KEY_FILE: Final = "loadtest.key"
_PUBLISHERS: Final = frozenset({"host"})
_MANAGERS: Final = frozenset({"host", "staff"})


@dataclass(frozen=True, slots=True)
class KeyPair:
    """An API key: its id is the `iss` of its tokens, its secret signs them (HS256)."""

    key_id: str
    secret: str = field(repr=False)

    @classmethod
    def random(cls) -> Self:
        return cls("loadtest", secrets.token_hex(SECRET_BYTES))

    @classmethod
    def of_folder(cls, folder: Path) -> Self:
        """The key of an earlier run in that folder, else a new one, kept there."""
        path = folder / KEY_FILE
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(cls.random().secret)
        return cls("loadtest", path.read_text())

    def mint(self, room: str, user: str, role: Role) -> str:
        """LiveKit's claims, and our `live.role`, which decides where both are read."""
        claims = {
            "iss": self.key_id,
            "sub": user,
            "exp": int(time.time()) + TTL_S,
            "name": user,
            "video": {
                "room": room,
                "roomJoin": True,
                "roomAdmin": role in _MANAGERS,
                "canPublish": role in _PUBLISHERS,
                "canSubscribe": True,
                "canPublishData": True,
            },
            "live": {"role": role},
        }
        return jwt.encode(claims, self.secret, algorithm="HS256")

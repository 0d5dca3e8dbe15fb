"""Who a token's bearer is: (shop, user) to the random pseudonym that the rest of us knows.

The mapping lives in one hash per shop (`store_keys.subjects_key`), the only place that links a
person to a `Subject`: erase the field and the person is a stranger again (DESIGN 7.9). So nothing
here is cached.
"""

from __future__ import annotations

import secrets
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from server.signing import TokenClaims
from signaling.errors import Refusal
from signaling.identity import Identity
from signaling.ids import RoomId, ShopId, Subject
from signaling.store_keys import names_key, subjects_key

GUEST_PREFIX: Final = "guest:"
"""User ids of visitors without an account start so; tokens for them are made here only."""
ANONYMOUS_PREFIX: Final = "anonymous:"
"""User ids of WHEP players that sent no token at all. They are not stored."""


class Identities:
    """Finds or makes the pseudonym of a token's bearer and remembers the display name."""

    def __init__(self, *, store: Redis) -> None:
        self._store = store

    async def of(self, claims: TokenClaims) -> Identity:
        """The identity of verified claims. Raises `Refusal("store_unavailable")`."""
        subject = await self.subject(claims.shop, claims.user)
        if claims.name:
            await self._remember_name(claims.shop, subject, claims.name)
        return Identity(
            shop=claims.shop,
            room=claims.room,
            subject=subject,
            user=claims.user,
            name=claims.name,
            role=claims.role,
            grants=claims.grants,
        )

    async def subject(self, shop: ShopId, user: str) -> Subject:
        """The pseudonym of a user, made at the first call. Two first calls at once agree."""
        key = subjects_key(shop)
        try:
            async with self._store.pipeline(transaction=False) as pipe:
                pipe.hsetnx(key, user, new_subject())
                pipe.hget(key, user)
                _, stored = await pipe.execute()
        except (RedisError, OSError) as error:
            raise Refusal("store_unavailable") from error
        return Subject(stored.decode())

    async def name_of(self, shop: ShopId, subject: Subject) -> str:
        """The display name last used; empty without. Raises `Refusal("store_unavailable")`."""
        try:
            name = await self._store.hget(names_key(shop), subject)
        except (RedisError, OSError) as error:
            raise Refusal("store_unavailable") from error
        return name.decode() if isinstance(name, bytes) else name or ""

    async def _remember_name(self, shop: ShopId, subject: Subject, name: str) -> None:
        try:
            await self._store.hset(names_key(shop), subject, name)
        except (RedisError, OSError) as error:
            raise Refusal("store_unavailable") from error


def new_subject() -> Subject:
    """96 random bits: unguessable, and unique without asking anybody."""
    return Subject(secrets.token_urlsafe(12))


def anonymous(shop: ShopId, room: RoomId) -> Identity:
    """A player without a token: may watch, nothing else; another person at every call."""
    subject = new_subject()
    return Identity(
        shop=shop,
        room=room,
        subject=subject,
        user=f"{ANONYMOUS_PREFIX}{subject}",
        name="",
        role="viewer",
        grants=frozenset(),
    )


def is_anonymous(who: Identity) -> bool:
    """True when the bearer never showed a token: its session URL is all it has."""
    return who.user.startswith(ANONYMOUS_PREFIX)


def clean_name(name: str) -> str:
    """A display name without control characters and runs of blanks, at most 64 characters."""
    printable = "".join(ch if ch.isprintable() else " " for ch in name)
    return " ".join(printable.split())[:64]

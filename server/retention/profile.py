"""Reading profiles back: what the room remembers about one person."""

from __future__ import annotations

from typing import Final

from redis.asyncio import Redis

from signaling.ids import ShopId, Subject
from signaling.store_keys import names_key, profile_key, subjects_key
from signaling.views import ProfileView

_FIELDS: Final = tuple(name for name in ProfileView.__struct_fields__ if name != "subject")


class Profiles:
    """The `ProfileSource` of rooms and of the command line. One round trip a profile."""

    def __init__(self, store: Redis) -> None:
        self._store = store

    async def profile(self, shop: ShopId, subject: Subject) -> ProfileView:
        """The profile; someone never seen has an empty one (`first_seen_ms` is None)."""
        values = await self._store.hmget(profile_key(shop, subject), list(_FIELDS))
        known = {
            name: int(value)
            for name, value in zip(_FIELDS, values, strict=True)
            if value is not None
        }
        return ProfileView(subject=subject, **known)

    async def find_subject(self, shop: ShopId, user: str) -> Subject | None:
        """The pseudonym of an account id; None when this user never came."""
        found = await self._store.hget(subjects_key(shop), user)
        return None if found is None else Subject(_text(found))

    async def name(self, shop: ShopId, subject: Subject) -> str | None:
        """The display name last used."""
        found = await self._store.hget(names_key(shop), subject)
        return None if found is None else _text(found)


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode()

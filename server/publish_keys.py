"""Publish keys: long-lived, revocable tokens that OBS and other encoders keep in their settings.

A key is a signed token whose `publish_key` claim names an entry of the room's `pubkeys` hash; it
may publish by WHIP and nothing else. Marking the entry revoked
ends it for the next request.
"""

from __future__ import annotations

import secrets
from typing import Any, Final

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from media.seam import PeerId
from server.signing import SigningKeys, TokenClaims
from signaling.errors import Refusal
from signaling.identity import Identity
from signaling.ids import RoomId, ShopId
from signaling.store_keys import RoomKeys

KEY_TTL_S: Final = 5 * 365 * 86_400
"""Five years: in effect until revoked, but no token of ours lives for ever."""
GRANTS: Final = frozenset({"publish", "host_show"})
MAX_KEYS: Final = 20
"""Per room, revoked ones not counted."""


class PublishKey(msgspec.Struct, frozen=True):
    """What the store keeps of a key (never the key itself). `revoked_ms` 0: valid."""

    subject: str
    made_ms: int
    revoked_ms: int = 0


class MadeKey(msgspec.Struct, frozen=True):
    """A new key; `token` is shown this once."""

    key_id: str
    token: str
    made_ms: int


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(PublishKey)


class PublishKeys:
    """Makes, lists, checks and revokes the publish keys of rooms."""

    def __init__(self, *, store: Redis, signing: SigningKeys) -> None:
        self._store = store
        self._signing = signing
        self._publishing: dict[str, PeerId] = {}

    async def make(self, who: Identity, *, now_ms: int) -> MadeKey:
        """A new key that publishes as `who`.

        Raises `Refusal`: `queue_full` beyond `MAX_KEYS`, `store_unavailable`.
        """
        entries = await self.entries(who.shop, who.room)
        if sum(1 for entry in entries.values() if not entry.revoked_ms) >= MAX_KEYS:
            raise Refusal("queue_full", f"A room has at most {MAX_KEYS} publish keys; revoke one.")
        key_id = secrets.token_urlsafe(9)
        token = self._signing.mint(
            TokenClaims(
                shop=who.shop,
                room=who.room,
                user=who.user,
                name=who.name,
                role="host",
                grants=GRANTS,
                exp=now_ms // 1000 + KEY_TTL_S,
                publish_key=key_id,
            )
        )
        await self._put(who.shop, who.room, key_id, PublishKey(who.subject, now_ms))
        return MadeKey(key_id=key_id, token=token, made_ms=now_ms)

    async def entries(self, shop: ShopId, room: RoomId) -> dict[str, PublishKey]:
        """Every key the room ever had, by id, revoked ones too."""
        try:
            raw: Any = await self._store.hgetall(RoomKeys(shop, room).publish_keys)
        except (RedisError, OSError) as error:
            raise Refusal("store_unavailable") from error
        return {key_id.decode(): _decoder.decode(blob) for key_id, blob in raw.items()}

    async def is_valid(self, shop: ShopId, room: RoomId, key_id: str) -> bool:
        """False for a key that was revoked or never made."""
        entry = await self._get(shop, room, key_id)
        return entry is not None and not entry.revoked_ms

    async def revoke(self, shop: ShopId, room: RoomId, key_id: str, *, now_ms: int) -> bool:
        """End a key; repeating it is harmless. False for an id the room never had."""
        entry = await self._get(shop, room, key_id)
        if entry is None:
            return False
        if not entry.revoked_ms:
            revoked = msgspec.structs.replace(entry, revoked_ms=now_ms)
            await self._put(shop, room, key_id, revoked)
        return True

    def now_publishing(self, key_id: str, peer_id: PeerId) -> None:
        """Remember the session that a key started, to end it when the key is revoked. One a key:
        a second one replaces the first, as both are the same person and sources."""
        self._publishing[key_id] = peer_id

    def take_session(self, key_id: str) -> PeerId | None:
        """The session last started with a key on this node, which may be over; forgets it."""
        return self._publishing.pop(key_id, None)

    async def _get(self, shop: ShopId, room: RoomId, key_id: str) -> PublishKey | None:
        try:
            # Any: redis-py annotates for clients that decode replies, too; ours answers in bytes.
            blob: Any = await self._store.hget(RoomKeys(shop, room).publish_keys, key_id)
        except (RedisError, OSError) as error:
            raise Refusal("store_unavailable") from error
        return None if blob is None else _decoder.decode(blob)

    async def _put(self, shop: ShopId, room: RoomId, key_id: str, entry: PublishKey) -> None:
        try:
            await self._store.hset(
                RoomKeys(shop, room).publish_keys, key_id, _encoder.encode(entry)
            )
        except (RedisError, OSError) as error:
            raise Refusal("store_unavailable") from error

"""Tokens: JWT HS256 in LiveKit's shape (CONVENTIONS §3), signed and verified by API keys.

The algorithm is pinned, the issuer must be a key we know (its shop is the token's shop), and
everything a token says is checked against a model before it counts.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from typing import Any, Final, Self

import jwt
import msgspec

from server.grants import ROLE_GRANTS, LiveGrant, VideoGrant, granted, video_grant
from server.keys_file import load_or_make_keys
from server.settings import KeySettings, Settings
from signaling.errors import Refusal
from signaling.ids import RoomId, ShopId, is_room_name
from signaling.views import Role

JOIN_TTL_S: Final = 600
"""10 minutes to join; the socket refreshes (CONVENTIONS §3)."""
LEEWAY_S: Final = 5.0
"""How far clocks of issuers may be off."""
MAX_TOKEN_CHARS: Final = 4096
MAX_USER_CHARS: Final = 128
MAX_NAME_CHARS: Final = 64
_ALGORITHM: Final = "HS256"


class TokenClaims(msgspec.Struct, frozen=True):
    """What a verified token says. `exp`: Unix seconds. `publish_key`: id of the long-lived key
    this token is, so that it can be revoked; None for an ordinary token."""

    shop: ShopId
    room: RoomId
    user: str
    name: str
    role: Role
    grants: frozenset[str]
    exp: int
    key_id: str = ""
    publish_key: str | None = None


def make_claims(
    *,
    shop: ShopId,
    room: RoomId,
    user: str,
    role: Role,
    now: float,
    name: str = "",
    ttl_s: float = JOIN_TTL_S,
) -> TokenClaims:
    """Claims with the preset grants of `role`, valid `ttl_s` seconds from `now` (Unix seconds)."""
    return TokenClaims(
        shop=shop,
        room=room,
        user=user,
        name=name,
        role=role,
        grants=ROLE_GRANTS[role],
        exp=int(now + ttl_s),
    )


class _Payload(msgspec.Struct, frozen=True):
    """The JWT payload as it must be; members we do not know are ignored."""

    iss: str
    sub: str
    exp: int | float
    nbf: int | float = 0
    name: str = ""
    video: VideoGrant = VideoGrant()
    live: LiveGrant = LiveGrant()


class SigningKeys:
    """The API keys of this deployment; never shown in full by `repr`."""

    def __init__(self, keys: Mapping[str, KeySettings]) -> None:
        """`keys`: by key id, at least one."""
        assert keys, "signing needs at least one key"
        self._keys: Final = dict(keys)

    @classmethod
    def load(cls, settings: Settings) -> Self:
        """Keys of the settings, else those of the data folder, made there at first start.

        Raises `server.errors.UserError` when the keys file cannot be read or written.
        """
        return cls(settings.keys or load_or_make_keys(settings.data_dir))

    def key_for(self, shop: ShopId) -> str | None:
        """Id of the key that signs for a shop; None when there is none."""
        return next((key_id for key_id, key in self._keys.items() if key.shop == shop), None)

    @property
    def shops(self) -> tuple[ShopId, ...]:
        """Shops that have a key, each once, in the order of the settings."""
        return tuple(dict.fromkeys(ShopId(key.shop) for key in self._keys.values()))

    def mint(self, claims: TokenClaims) -> str:
        """A signed token. An empty `key_id` takes the key of the shop.

        Raises `ValueError` when no key of that shop has this id, or the room name is not one.
        """
        key_id = claims.key_id or self.key_for(claims.shop) or ""
        key = self._keys.get(key_id)
        if key is None or key.shop != claims.shop:
            raise ValueError(f"no signing key {key_id!r} for the shop {claims.shop!r}")
        if not is_room_name(claims.room):
            raise ValueError(f"{claims.room!r} is no room name")
        live = LiveGrant(
            role=claims.role,
            grants=None if claims.grants == ROLE_GRANTS[claims.role] else _sorted(claims.grants),
            publish_key=claims.publish_key,
        )
        payload: dict[str, Any] = {
            "iss": key_id,
            "sub": claims.user,
            "exp": claims.exp,
            "video": _without_none(video_grant(claims.room, claims.grants)),
            "live": msgspec.to_builtins(live),
        }
        if claims.name:
            payload["name"] = claims.name
        return jwt.encode(payload, key.secret.get_secret_value(), algorithm=_ALGORITHM)

    def verify(self, token: str, now: float | None = None) -> TokenClaims:
        """The claims of a valid token; `now` is Unix seconds, the system clock when None.

        Raises `Refusal`: `token_expired`, or `bad_token` for everything else that is wrong.
        """
        now = time.time() if now is None else now
        if len(token) > MAX_TOKEN_CHARS:
            raise Refusal("bad_token")
        key_id, key = self._issuer_untrusted(token)
        payload = self._payload(token, key, now)
        if not math.isfinite(payload.exp + payload.nbf):
            raise Refusal("bad_token")  # Python's JSON reads NaN, which no comparison catches
        if payload.exp + LEEWAY_S < now:
            raise Refusal("token_expired")
        if payload.nbf - LEEWAY_S > now:
            raise Refusal("bad_token", "The token is not valid yet; check the clocks.")
        return _claims(payload, key_id, ShopId(key.shop))

    def _issuer_untrusted(self, token: str) -> tuple[str, KeySettings]:
        """Read the issuer before anything is verified, only to choose the key."""
        try:
            unverified = jwt.decode(token, options={"verify_signature": False})
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise Refusal("bad_token") from error
        key_id = unverified.get("iss")
        key = self._keys.get(key_id) if isinstance(key_id, str) else None
        if key is None or not isinstance(key_id, str):
            raise Refusal("bad_token", "The token's issuer is not a key of this server.")
        return key_id, key

    def _payload(self, token: str, key: KeySettings, now: float) -> _Payload:
        for secret in _secrets(key, now):
            try:
                # Times are checked by the caller, against its own clock.
                raw = jwt.decode(
                    token,
                    secret,
                    algorithms=[_ALGORITHM],
                    options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},
                )
                return msgspec.convert(raw, _Payload)
            except jwt.InvalidSignatureError:
                continue  # the previous secret may have signed it
            except (jwt.PyJWTError, msgspec.ValidationError, ValueError) as error:
                raise Refusal("bad_token") from error
        raise Refusal("bad_token")

    def __repr__(self) -> str:
        return f"SigningKeys({', '.join(self._keys)})"


def _secrets(key: KeySettings, now: float) -> list[str]:
    secrets = [key.secret.get_secret_value()]
    if key.previous_secret and key.previous_until and now < key.previous_until.timestamp():
        secrets.append(key.previous_secret.get_secret_value())
    return secrets


def _claims(payload: _Payload, key_id: str, shop: ShopId) -> TokenClaims:
    video = payload.video
    if not video.room_join or not is_room_name(video.room):
        raise Refusal("bad_token", "The token opens no room (video.roomJoin and video.room).")
    if video.can_subscribe is False:
        # A restriction we cannot keep is refused, not ignored.
        raise Refusal("bad_token", "canSubscribe: false is not supported.")
    if not payload.sub or len(payload.sub) > MAX_USER_CHARS:
        raise Refusal("bad_token", f"sub must have 1-{MAX_USER_CHARS} characters.")
    return TokenClaims(
        shop=shop,
        room=RoomId(video.room),
        user=payload.sub,
        name=payload.name[:MAX_NAME_CHARS],
        role=payload.live.role or "viewer",
        grants=granted(video, payload.live),
        exp=int(payload.exp),
        key_id=key_id,
        publish_key=payload.live.publish_key,
    )


def _sorted(grants: frozenset[str]) -> tuple[str, ...]:
    """In one order, so that equal claims give equal tokens."""
    return tuple(sorted(grants))


def _without_none(video: VideoGrant) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(msgspec.json.encode(video))
    return {name: value for name, value in fields.items() if value is not None}

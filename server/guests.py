"""Visitors without an account: a signed guest id of their own, kept by the token itself."""

from __future__ import annotations

import secrets
from typing import Final

import msgspec

from server.identity import GUEST_PREFIX, clean_name
from server.signing import SigningKeys, TokenClaims, make_claims
from server.token_renewal import GUEST_TTL_S
from signaling.errors import Refusal
from signaling.ids import DEFAULT_SHOP, RoomId

RETURN_WITHIN_S: Final = 30 * 86_400
"""An expired guest token still proves for 30 days who the guest was, and nothing else."""


def guest_claims(
    signing: SigningKeys, room: RoomId, *, name: str, old_token: str | None, now: float
) -> TokenClaims:
    """Claims for a guest of `room`: the same person as in `old_token` where that is one of ours.

    A token that is not a guest's, or no token of ours at all, is refused as `bad_token`, so that a
    page cannot turn a customer into a stranger without noticing.
    """
    claims = make_claims(
        shop=DEFAULT_SHOP,
        room=room,
        user=f"{GUEST_PREFIX}{secrets.token_urlsafe(12)}",
        name=clean_name(name),
        role="viewer",
        now=now,
        ttl_s=GUEST_TTL_S,
    )
    if old_token is None:
        return claims
    old = signing.verify(old_token, now=now - RETURN_WITHIN_S)
    if not old.user.startswith(GUEST_PREFIX) or old.publish_key is not None:
        raise Refusal("bad_token", "This is not the token of a guest.")
    return msgspec.structs.replace(
        claims, shop=old.shop, user=old.user, name=claims.name or old.name
    )

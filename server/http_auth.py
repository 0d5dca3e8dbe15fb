"""Who asks: from a Bearer token to a verified identity with grants (RFC 6750 §2.1)."""

from __future__ import annotations

from typing import Final

from aiohttp import hdrs, web

from server.identity import Identities
from server.problems import HttpProblem
from server.publish_keys import PublishKeys
from server.signing import SigningKeys, TokenClaims
from signaling.errors import Refusal
from signaling.identity import Identity
from signaling.ids import DEFAULT_SHOP, RoomId, ShopId, Subject, is_room_name

MAX_TOKEN_CHARS: Final = 4096
"""As in `signaling.protocol.Join`; a token of ours has some 500."""


class Doorkeeper:
    """Turns tokens into identities: signature, lifetime, revocation, room.

    `verified` is all that the socket and HTTP share; the rest is about requests.
    """

    def __init__(
        self, *, signing: SigningKeys, identities: Identities, publish_keys: PublishKeys
    ) -> None:
        self._signing = signing
        self._identities = identities
        self._publish_keys = publish_keys

    async def verified(self, token: str) -> TokenClaims:
        """Claims of a token that holds now.

        Raises `Refusal`: `bad_token` (also a revoked publish key), `token_expired`.
        """
        if len(token) > MAX_TOKEN_CHARS:
            raise Refusal("bad_token")
        claims = self._signing.verify(token)
        if not is_room_name(claims.room):
            raise Refusal("bad_token", "The token names no room.")
        if claims.publish_key is not None and not await self._publish_keys.is_valid(
            claims.shop, claims.room, claims.publish_key
        ):
            raise Refusal("bad_token", "This publish key is revoked.")
        return claims

    async def identity(self, claims: TokenClaims) -> Identity:
        """The person behind verified claims."""
        return await self._identities.of(claims)

    async def claims_of(self, request: web.Request) -> TokenClaims:
        """Verified claims of a request's Bearer token, or 401."""
        token = bearer_token(request)
        if token is None:
            raise HttpProblem("missing_token")
        return await self.verified(token)

    async def caller(
        self, request: web.Request, room: RoomId, *, grant: str | None = None
    ) -> Identity:
        """The identity of a request about `room`, with `grant` where one is needed.

        Raises `Refusal`: `wrong_room`, `forbidden`, and all of `verified`.
        """
        claims = await self.claims_of(request)
        require(claims, room, grant)
        return await self.identity(claims)

    async def host(self, request: web.Request, room: RoomId) -> Identity:
        """The host of `room`, by an ordinary token: a publish key makes no further keys."""
        claims = await self.claims_of(request)
        require(claims, room, "host_show")
        if claims.publish_key is not None:
            raise Refusal("forbidden", "A publish key may publish, nothing else.")
        return await self.identity(claims)

    async def back_end(self, request: web.Request) -> TokenClaims:
        """Claims of the shop's back end: any token with the grant `api`. Raises `Refusal`."""
        claims = await self.claims_of(request)
        require(claims, claims.room, "api")
        return claims

    async def buyer(self, shop: ShopId, *, user: str | None, subject: str | None) -> Subject:
        """The pseudonym of who a back end speaks of; a new account gets one here."""
        if user is None:
            assert subject is not None, "a person is named one way or the other"
            return Subject(subject)
        return await self._identities.subject(shop, user)

    async def name_of(self, shop: ShopId, subject: Subject) -> str:
        """The display name last used; empty for somebody who never came."""
        return await self._identities.name_of(shop, subject)

    async def shop_of(self, request: web.Request, *, guests: bool) -> ShopId:
        """The shop a request is about: the token's, or the default one where guests may look."""
        if bearer_token(request) is not None:
            return (await self.claims_of(request)).shop
        if not guests:
            raise HttpProblem("missing_token")
        return DEFAULT_SHOP


def require(claims: TokenClaims, room: RoomId, grant: str | None) -> None:
    """Refuse claims of another room (403) or without `grant` (403)."""
    if claims.room != room:
        raise Refusal("wrong_room")
    if grant is not None and grant not in claims.grants:
        raise Refusal("forbidden", f"This needs the grant {grant}.")


def bearer_token(request: web.Request) -> str | None:
    """The token of `Authorization: Bearer …`; None without that header.

    Another scheme is refused as `bad_token`, not taken for no token at all.
    """
    header = request.headers.get(hdrs.AUTHORIZATION)
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise Refusal("bad_token", "Only Authorization: Bearer <token> is taken.")
    return token


def room_of(request: web.Request) -> RoomId:
    """The room named in the path. Raises `Refusal("room_not_found")` for an impossible name."""
    name = request.match_info["room"]
    if not is_room_name(name):
        raise Refusal("room_not_found")
    return RoomId(name)

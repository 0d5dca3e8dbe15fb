"""`/api/v1`: what shop back ends, operators and our own pages ask over plain HTTP.

Every operation is one row of `OPERATIONS`: the router and the OpenAPI document are both made from
it, so neither can say what the other does not.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal

import msgspec
from aiohttp import web

from server.app_keys import (
    DOORKEEPER,
    LIMITS,
    PROFILES,
    PUBLISH_KEYS,
    ROOMS,
    SETTINGS,
    SIGNING,
)
from server.guests import guest_claims
from server.http_auth import room_of
from server.http_json import json_response, read_json
from server.orders import EventBatch, EventsAccepted, post_events
from server.problems import HttpProblem
from server.products import (
    NewProduct,
    list_products,
    pin_product,
    put_product,
    remove_product,
    unpin_product,
)
from server.rate_limit import admit
from signaling.errors import Refusal
from signaling.ids import ShopId, Subject
from signaling.media_view import RoomMedia
from signaling.protocol import Name
from signaling.service import RoomSummary
from signaling.views import ProductView, ProfileView, ShelfView

Auth = Literal["none", "optional", "bearer"]
Handler = Callable[[web.Request], Awaitable[web.Response]]


class RoomList(msgspec.Struct, frozen=True):
    """Rooms of a shop that ever had a visitor."""

    rooms: tuple[RoomSummary, ...]


class GuestRequest(msgspec.Struct, frozen=True):
    """`token`: an earlier guest token, to stay the same person (30 days after its end at most)."""

    name: Name = ""
    token: Annotated[str, msgspec.Meta(max_length=4096)] | None = None


class GuestToken(msgspec.Struct, frozen=True):
    """A token to join with; `expires_ms` is Unix milliseconds."""

    token: str
    subject: str
    name: str
    expires_ms: int


class NewPublishKey(msgspec.Struct, frozen=True):
    """`key` is shown this once: paste it into the encoder as Bearer token for `whip_url`."""

    key_id: str
    key: str
    whip_url: str


class PublishKeyInfo(msgspec.Struct, frozen=True):
    """A key that was made before; `revoked_ms` is 0 while it is valid."""

    key_id: str
    subject: str
    made_ms: int
    revoked_ms: int


class PublishKeyList(msgspec.Struct, frozen=True):
    keys: tuple[PublishKeyInfo, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    """One method on one path. `returns` None: the status has no body."""

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    name: str
    summary: str
    handler: Handler
    auth: Auth = "bearer"
    takes: type[Any] | None = None
    status: int = 200
    returns: type[Any] | None = None
    refusals: tuple[str, ...] = field(default=())


async def list_rooms(request: web.Request) -> web.Response:
    """Rooms of the token's shop; without one, of the default shop where guests may watch."""
    shop = await _shop(request)
    return json_response(RoomList(tuple(await request.app[ROOMS].rooms(shop))))


async def get_room(request: web.Request) -> web.Response:
    """One room: its phase, title and how many watch."""
    room = room_of(request)
    shop = await _shop(request)
    return json_response(await request.app[ROOMS].room(shop, room))


async def make_guest(request: web.Request) -> web.Response:
    """A token for a visitor without an account."""
    admit(request.app[LIMITS].guests, request)
    room = room_of(request)
    if not request.app[SETTINGS].room.guest_viewers:
        raise Refusal("forbidden", "This server takes no guests; sign in at the shop.")
    wanted = await read_json(request, GuestRequest)
    signing = request.app[SIGNING]
    claims = guest_claims(signing, room, name=wanted.name, old_token=wanted.token, now=time.time())
    identity = await request.app[DOORKEEPER].identity(claims)
    return json_response(
        GuestToken(
            token=signing.mint(claims),
            subject=identity.subject,
            name=claims.name,
            expires_ms=claims.exp * 1000,
        ),
        status=201,
    )


async def make_publish_key(request: web.Request) -> web.Response:
    """A long-lived key for OBS and other encoders."""
    room = room_of(request)
    who = await request.app[DOORKEEPER].host(request, room)
    made = await request.app[PUBLISH_KEYS].make(who, now_ms=_now_ms())
    return json_response(
        NewPublishKey(
            key_id=made.key_id,
            key=made.token,
            whip_url=f"{request.scheme}://{request.host}/whip/{room}",
        ),
        status=201,
    )


async def list_publish_keys(request: web.Request) -> web.Response:
    """Every key the room ever had, newest first, without the keys themselves."""
    room = room_of(request)
    who = await request.app[DOORKEEPER].host(request, room)
    entries = await request.app[PUBLISH_KEYS].entries(who.shop, room)
    keys = [
        PublishKeyInfo(key_id, entry.subject, entry.made_ms, entry.revoked_ms)
        for key_id, entry in entries.items()
    ]
    keys.sort(key=lambda key: key.made_ms, reverse=True)
    return json_response(PublishKeyList(tuple(keys)))


async def revoke_publish_key(request: web.Request) -> web.Response:
    """End a key, and the session that it started on this node."""
    room = room_of(request)
    who = await request.app[DOORKEEPER].host(request, room)
    key_id = request.match_info["key_id"]
    keys = request.app[PUBLISH_KEYS]
    if not await keys.revoke(who.shop, room, key_id, now_ms=_now_ms()):
        raise HttpProblem("not_found", "The room has no such key.")
    peer_id = keys.take_session(key_id)
    if peer_id is not None:
        await request.app[ROOMS].close_media(peer_id, reason="revoked")
    return web.Response(status=204)


async def media_stats(request: web.Request) -> web.Response:
    """Every transport of the room on this node, with its tracks or slots, how joining went and
    what its client reported last: for consoles and operators. At most 500, publishers first."""
    room = room_of(request)
    who = await request.app[DOORKEEPER].caller(request, room, grant="api")
    return json_response(await request.app[ROOMS].media_stats(who.shop, room))


async def get_profile(request: web.Request) -> web.Response:
    """What the shop remembers about a person."""
    room = room_of(request)
    who = await request.app[DOORKEEPER].caller(request, room, grant="see_profiles")
    subject = Subject(request.match_info["subject"])
    return json_response(await request.app[PROFILES].profile(who.shop, subject))


async def openapi(request: web.Request) -> web.Response:
    """This description."""
    from server.openapi import document

    return json_response(document())


ROOM: Final = "/api/v1/rooms/{room}"

OPERATIONS: Final[tuple[Operation, ...]] = (
    Operation(
        method="GET",
        path="/api/v1/rooms",
        name="listRooms",
        summary="Rooms of the shop with their phase and viewers",
        handler=list_rooms,
        auth="optional",
        returns=RoomList,
    ),
    Operation(
        method="GET",
        path=ROOM,
        name="getRoom",
        summary="One room",
        handler=get_room,
        auth="optional",
        returns=RoomSummary,
        refusals=("room_not_found",),
    ),
    Operation(
        method="POST",
        path=f"{ROOM}/guest",
        name="makeGuest",
        summary="A token for a visitor without an account",
        handler=make_guest,
        auth="none",
        takes=GuestRequest,
        status=201,
        returns=GuestToken,
        refusals=("bad_message", "bad_token", "forbidden", "rate_limited"),
    ),
    Operation(
        method="POST",
        path=f"{ROOM}/publish-keys",
        name="makePublishKey",
        summary="A long-lived key for OBS (host)",
        handler=make_publish_key,
        status=201,
        returns=NewPublishKey,
        refusals=("forbidden", "wrong_room", "queue_full"),
    ),
    Operation(
        method="GET",
        path=f"{ROOM}/publish-keys",
        name="listPublishKeys",
        summary="Publish keys of the room (host)",
        handler=list_publish_keys,
        returns=PublishKeyList,
        refusals=("forbidden", "wrong_room"),
    ),
    Operation(
        method="DELETE",
        path=f"{ROOM}/publish-keys/{{key_id}}",
        name="revokePublishKey",
        summary="End a publish key (host)",
        handler=revoke_publish_key,
        status=204,
        refusals=("forbidden", "wrong_room"),
    ),
    Operation(
        method="GET",
        path=f"{ROOM}/media",
        name="getMediaStats",
        summary="The room's media transports and their quality (staff)",
        handler=media_stats,
        returns=RoomMedia,
        refusals=("forbidden", "wrong_room", "room_not_found"),
    ),
    Operation(
        method="GET",
        path=f"{ROOM}/profiles/{{subject}}",
        name="getProfile",
        summary="What the shop remembers about a person (staff)",
        handler=get_profile,
        returns=ProfileView,
        refusals=("forbidden", "wrong_room"),
    ),
    Operation(
        method="GET",
        path=f"{ROOM}/products",
        name="listProducts",
        summary="Products of the room (staff, back end)",
        handler=list_products,
        returns=ShelfView,
        refusals=("forbidden", "wrong_room", "room_not_found"),
    ),
    Operation(
        method="PUT",
        path=f"{ROOM}/products/{{sku}}",
        name="putProduct",
        summary="List or change a product (staff, back end)",
        handler=put_product,
        takes=NewProduct,
        returns=ProductView,
        refusals=("bad_message", "empty_text", "forbidden", "wrong_room", "shelf_full"),
    ),
    Operation(
        method="DELETE",
        path=f"{ROOM}/products/{{sku}}",
        name="removeProduct",
        summary="Take a product off the shelf (staff, back end)",
        handler=remove_product,
        status=204,
        refusals=(
            "bad_message",
            "forbidden",
            "wrong_room",
            "room_not_found",
            "product_not_found",
        ),
    ),
    Operation(
        method="PUT",
        path=f"{ROOM}/products/{{sku}}/pin",
        name="pinProduct",
        summary="Show the product's card on every page (staff)",
        handler=pin_product,
        status=204,
        refusals=(
            "bad_message",
            "forbidden",
            "wrong_room",
            "room_not_found",
            "product_not_found",
        ),
    ),
    Operation(
        method="DELETE",
        path=f"{ROOM}/products/{{sku}}/pin",
        name="unpinProduct",
        summary="Take the product's card down (staff)",
        handler=unpin_product,
        status=204,
        refusals=("bad_message", "forbidden", "wrong_room", "room_not_found"),
    ),
    Operation(
        method="POST",
        path="/api/v1/events",
        name="postEvents",
        summary="Orders paid and refunded (back end)",
        handler=post_events,
        takes=EventBatch,
        returns=EventsAccepted,
        refusals=("bad_message", "too_large", "forbidden", "wrong_room", "store_unavailable"),
    ),
    Operation(
        method="GET",
        path="/api/v1/openapi.json",
        name="getOpenApi",
        summary="This description (OpenAPI 3.1)",
        handler=openapi,
        auth="none",
    ),
)


def add_routes(app: web.Application) -> None:
    """Register every operation behind the limit of its address."""
    for operation in OPERATIONS:
        app.router.add_route(operation.method, operation.path, _limited(operation.handler))


def _limited(handler: Handler) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        admit(request.app[LIMITS].api, request)
        return await handler(request)

    return handle


async def _shop(request: web.Request) -> ShopId:
    guests = request.app[SETTINGS].room.guest_viewers
    return await request.app[DOORKEEPER].shop_of(request, guests=guests)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000

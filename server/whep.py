"""WHEP (draft-ietf-wish-whep): a player's offer becomes a pair of slots fed by the host's seat."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from server.app_keys import DOORKEEPER, SETTINGS
from server.http_auth import bearer_token
from server.identity import anonymous
from server.problems import HttpProblem
from server.sdp_sessions import SdpDoor
from signaling.errors import Refusal
from signaling.identity import Identity
from signaling.ids import DEFAULT_SHOP, RoomId
from signaling.service import MediaSession, RoomService


async def authorize(request: web.Request, room: RoomId) -> Identity:
    """Any token of this room; none at all where guests may watch, as most players have none."""
    if bearer_token(request) is None:
        if not request.app[SETTINGS].room.guest_viewers:
            raise HttpProblem("missing_token")
        return anonymous(DEFAULT_SHOP, room)
    doorkeeper = request.app[DOORKEEPER]
    claims = await doorkeeper.claims_of(request)
    if claims.room != room:
        raise Refusal("wrong_room")
    if claims.publish_key is not None:
        raise Refusal("forbidden", "A publish key may publish, not watch.")
    return await doorkeeper.identity(claims)


async def start(rooms: RoomService, who: Identity, offer: str) -> MediaSession:
    """Play; refused with `not_live` (409 and `Retry-After`) while nothing is live."""
    return await rooms.whep_play(who, offer)


DOOR: Final = SdpDoor(name="whep", direction="play", authorize=authorize, start=start)

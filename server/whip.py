"""WHIP (RFC 9725): a publisher's offer becomes a live source of its room."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from server.app_keys import DOORKEEPER, PUBLISH_KEY
from server.http_auth import require
from server.sdp_sessions import SdpDoor
from signaling.identity import Identity
from signaling.ids import RoomId
from signaling.service import MediaSession, RoomService


async def authorize(request: web.Request, room: RoomId) -> Identity:
    """A Bearer token of this room with the grant `publish`; a publish key has it."""
    doorkeeper = request.app[DOORKEEPER]
    claims = await doorkeeper.claims_of(request)
    require(claims, room, "publish")
    if claims.publish_key is not None:
        request[PUBLISH_KEY] = claims.publish_key
    return await doorkeeper.identity(claims)


async def start(rooms: RoomService, who: Identity, offer: str) -> MediaSession:
    """Publish; a host thereby takes seat 0 and starts the show."""
    return await rooms.whip_publish(who, offer)


DOOR: Final = SdpDoor(name="whip", direction="publish", authorize=authorize, start=start)

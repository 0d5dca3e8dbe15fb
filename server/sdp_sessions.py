"""What WHIP and WHEP share: an SDP offer makes a session; ETag, PATCH and DELETE manage it.

RFC 9725 §4.2-4.4 and draft-ietf-wish-whep §4. The two differ in who may start a session and in
what is started; `server.whip` and `server.whep` say that and this file does the rest. The name of
a session is its unguessable peer id.

    POST    {door}/{room}             offer -> 201, Location, ETag, Link (ICE servers), answer
    PATCH   {door}/{room}/{session}   If-Match: "etag" -> 204   |   If-Match: * -> ICE restart, 200
    DELETE  {door}/{room}/{session}   -> 200
    OPTIONS, GET, HEAD                -> 2xx without content; OPTIONS needs no token, and with
                                         one tells the ICE servers, too
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Literal

from aiohttp import hdrs, web

from media.errors import RemoteProtocolError
from media.sdp import parse_trickle_fragment_untrusted
from media.seam import IceRestarted, PeerId
from server.app_keys import DOORKEEPER, LIMITS, METRICS, PUBLISH_KEY, PUBLISH_KEYS, ROOMS
from server.http_auth import bearer_token, require, room_of
from server.http_body import read_text, require_content_type
from server.ice_links import ice_server_links
from server.identity import is_anonymous
from server.problems import HttpProblem
from server.rate_limit import admit
from signaling.errors import Refusal
from signaling.identity import Identity
from signaling.ids import RoomId
from signaling.service import MediaSession, RoomService

SDP_TYPE: Final = "application/sdp"
FRAGMENT_TYPE: Final = "application/trickle-ice-sdpfrag"
_MID: Final = re.compile(r"^a=mid:([!-~]{1,16})\r?$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True, slots=True)
class SdpDoor:
    """One of the two doors. `authorize` says who may start, `start` starts."""

    name: Literal["whip", "whep"]
    direction: Literal["publish", "play"]
    authorize: Callable[[web.Request, RoomId], Awaitable[Identity]]
    start: Callable[[RoomService, Identity, str], Awaitable[MediaSession]]

    def add_routes(self, app: web.Application) -> None:
        """Register the endpoint and its sessions."""
        endpoint = f"/{self.name}/{{room}}"
        session = f"{endpoint}/{{session}}"
        app.router.add_post(endpoint, self.post)
        app.router.add_route(hdrs.METH_OPTIONS, endpoint, self.options)
        app.router.add_get(endpoint, self.probe)
        app.router.add_patch(session, self.patch)
        app.router.add_delete(session, self.delete)
        app.router.add_route(hdrs.METH_OPTIONS, session, self.options)
        app.router.add_get(session, self.probe)

    async def post(self, request: web.Request) -> web.Response:
        """Start a session from an offer."""
        admit(request.app[LIMITS].offers, request)
        require_content_type(request, SDP_TYPE, "Accept-Post")
        room = room_of(request)
        who = await self.authorize(request, room)
        offer = await read_text(request)
        counters = request.app[METRICS].counters
        try:
            session = await self.start(request.app[ROOMS], who, offer)
        except Refusal:
            counters.session(self.name, "refused")
            raise
        counters.session(self.name, "created")
        if (key_id := request.get(PUBLISH_KEY)) is not None:
            request.app[PUBLISH_KEYS].now_publishing(key_id, session.peer_id)
        headers = {
            hdrs.LOCATION: f"/{self.name}/{room}/{session.peer_id}",
            hdrs.ETAG: etag(session.ice_tag),
            hdrs.CACHE_CONTROL: "no-store",
            "Accept-Patch": FRAGMENT_TYPE,
        }
        response = web.Response(status=201, text=session.sdp, headers=headers)
        response.content_type = SDP_TYPE
        response.charset = None
        add_ice_servers(response, request.app[ROOMS], who)
        return response

    async def options(self, request: web.Request) -> web.Response:
        """What may be posted here; needs no token (RFC 9725 §4.2). CORS is added outside.

        A client that cannot change its ICE servers after the offer asks here for them (§4.6), and
        is told them if it may start a session. A preflight carries no token and is told none.
        """
        response = web.Response(
            status=200, headers={"Accept-Post": SDP_TYPE, "Accept-Patch": FRAGMENT_TYPE}
        )
        is_preflight = hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers
        if not is_preflight and "session" not in request.match_info:
            admit(request.app[LIMITS].session_edits, request)
            with contextlib.suppress(HttpProblem, Refusal):
                who = await self.authorize(request, room_of(request))
                add_ice_servers(response, request.app[ROOMS], who)
        return response

    async def probe(self, request: web.Request) -> web.Response:
        """GET and HEAD answer 2xx without content; a WHEP URL is recognised by its HEAD."""
        room_of(request)
        if self.name == "whep" and request.method == hdrs.METH_HEAD:
            return web.Response(status=200, headers={hdrs.CONTENT_TYPE: SDP_TYPE})
        return web.Response(status=204)

    async def patch(self, request: web.Request) -> web.Response:
        """Trickled candidates (204) or an ICE restart (200); RFC 9725 §4.3."""
        admit(request.app[LIMITS].session_edits, request)
        session = await self._session(request)
        require_content_type(request, FRAGMENT_TYPE, "Accept-Patch")
        if_match = request.headers.get(hdrs.IF_MATCH)
        if if_match is None:
            raise HttpProblem("precondition_required")
        text = await read_text(request)
        try:
            fragment = parse_trickle_fragment_untrusted(text)
        except RemoteProtocolError as error:
            raise HttpProblem("bad_fragment", str(error)) from error
        if if_match.strip() == "*":
            rooms = request.app[ROOMS]
            restarted = await rooms.restart_ice(session.peer_id, fragment.ufrag, fragment.pwd)
            return restart_response(restarted, first_mid(text))
        if not matches(if_match, session.ice_tag):
            raise HttpProblem("precondition_failed")
        # ICE-lite learns addresses from the client's checks: candidates need no handling.
        return web.Response(status=204)

    async def delete(self, request: web.Request) -> web.Response:
        """End a session; its ETag does not matter (RFC 9725 §4.2)."""
        admit(request.app[LIMITS].session_edits, request)
        session = await self._session(request)
        await request.app[ROOMS].close_media(session.peer_id, reason="deleted")
        request.app[METRICS].counters.session(self.name, "deleted")
        return web.Response(status=200)

    async def _session(self, request: web.Request) -> MediaSession:
        """The session named in the path, if the caller may touch it.

        Unknown ones, those of the other door and of another room are all 404, so that an answer
        tells nothing about sessions of others.
        """
        room = room_of(request)
        session = request.app[ROOMS].media_session(PeerId(request.match_info["session"]))
        if session is None or session.owner.room != room or session.direction != self.direction:
            raise Refusal("unknown_peer")
        if is_anonymous(session.owner) and bearer_token(request) is None:
            return session
        doorkeeper = request.app[DOORKEEPER]
        claims = await doorkeeper.claims_of(request)
        require(claims, room, None)
        if claims.shop != session.owner.shop:
            raise Refusal("unknown_peer")
        is_owner = claims.user == session.owner.user
        if not is_owner and "manage_stage" not in claims.grants:
            raise Refusal("forbidden", "This session belongs to somebody else.")
        return session


def restart_response(restarted: IceRestarted, mid: str) -> web.Response:
    """Our new credentials; the session keeps its media (RFC 9725 §4.3.3)."""
    response = web.Response(
        status=200,
        text=restart_fragment(restarted, mid),
        headers={hdrs.ETAG: etag(restarted.ice_tag)},
    )
    response.content_type = FRAGMENT_TYPE
    response.charset = None
    return response


def restart_fragment(restarted: IceRestarted, mid: str) -> str:
    """Our side of an ICE restart as an SDP fragment (RFC 8840 §9), for one bundled m-line."""
    lines = [
        "a=ice-lite",
        f"a=ice-ufrag:{restarted.ufrag}",
        f"a=ice-pwd:{restarted.pwd}",
        "m=audio 9 UDP/TLS/RTP/SAVPF 0",
        f"a=mid:{mid}",
        *(f"a=candidate:{value}" for value in restarted.candidates),
        "a=end-of-candidates",
    ]
    return "".join(f"{line}\r\n" for line in lines)


def first_mid(fragment: str) -> str:
    """The m-line that the client's fragment is about: ours answers for the same one."""
    found = _MID.search(fragment)
    return found[1] if found else "0"


def etag(ice_tag: str) -> str:
    """A strong entity tag of an ICE session."""
    return f'"{ice_tag}"'


def matches(if_match: str, ice_tag: str) -> bool:
    """Strong comparison of RFC 9110 §8.8.3.2: a weak tag never matches."""
    return etag(ice_tag) in (part.strip() for part in if_match.split(","))


def add_ice_servers(response: web.Response, rooms: RoomService, who: Identity) -> None:
    """Tell a client its ICE servers, with credentials of its own (RFC 9725 §4.6)."""
    for link in ice_server_links(rooms.ice_servers(who)):
        response.headers.add(hdrs.LINK, link)

"""WHEP over real HTTP: who may watch, and what a room that is not live answers."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest

from tests.support.offers import FRAGMENT, offer
from tests.support.server import LiveServer, live, serving

__all__ = ["live"]
pytestmark = pytest.mark.asyncio(loop_scope="module")

SDP = {"Content-Type": "application/sdp"}


async def play(
    live: LiveServer, room: str, headers: dict[str, str] | None = None
) -> aiohttp.ClientResponse:
    body = (await offer("recvonly")).encode()
    return await live.http.post(f"/whep/{room}", data=body, headers=SDP | (headers or {}))


async def go_live(live: LiveServer, room: str) -> str:
    """A host publishes by WHIP; returns the session's path."""
    body = (await offer("sendonly")).encode()
    who = live.bearer("anna", "host", room)
    response = await live.http.post(f"/whip/{room}", data=body, headers=SDP | who)
    assert response.status == 201, await response.text()
    return response.headers["Location"]


async def test_nothing_is_live(live: LiveServer) -> None:
    response = await play(live, live.new_room())
    assert response.status == 409
    assert int(response.headers["Retry-After"]) >= 1
    assert (await response.json(content_type=None))["code"] == "not_live"


async def test_a_player_without_a_token_watches(live: LiveServer) -> None:
    room = live.new_room()
    await go_live(live, room)
    response = await play(live, room)
    assert response.status == 201, await response.text()
    answer = await response.text()
    assert answer.count("a=sendonly") == 2
    assert answer.count("a=msid:") >= 2
    location, tag = response.headers["Location"], response.headers["ETag"]
    patched = await live.http.patch(
        location,
        data=FRAGMENT.encode(),
        headers={"Content-Type": "application/trickle-ice-sdpfrag", "If-Match": tag},
    )
    assert patched.status == 204
    # Its session's unguessable address is all that it has, and all that it needs.
    assert (await live.http.delete(location)).status == 200
    assert (await live.http.delete(location)).status == 404


async def test_a_player_with_a_token_keeps_its_session_to_itself(live: LiveServer) -> None:
    room = live.new_room()
    await go_live(live, room)
    mine = live.bearer("vera", "viewer", room)
    made = await play(live, room, mine)
    assert made.status == 201
    location = made.headers["Location"]
    assert (await live.http.delete(location)).status == 401
    other = await live.http.delete(location, headers=live.bearer("vito", "viewer", room))
    assert other.status == 403
    assert (await live.http.delete(location, headers=mine)).status == 200


async def test_a_wrong_token_is_not_taken_for_none(live: LiveServer) -> None:
    room = live.new_room()
    response = await play(live, room, {"Authorization": "Bearer x.y.z"})
    assert response.status == 401
    elsewhere = await play(live, room, live.bearer("vera", "viewer", live.new_room()))
    assert elsewhere.status == 403


async def test_too_many_places_are_refused(live: LiveServer) -> None:
    room = live.new_room()
    await go_live(live, room)
    body = (await offer("recvonly", audio=1, video=5)).encode()
    response = await live.http.post(f"/whep/{room}", data=body, headers=SDP)
    assert response.status == 422
    assert (await response.json(content_type=None))["code"] == "too_many_slots"


async def test_a_player_recognises_the_address(live: LiveServer) -> None:
    head = await live.http.head("/whep/r1")
    assert head.status == 200
    assert head.headers["Content-Type"] == "application/sdp"
    assert (await live.http.get("/whep/r1")).status == 204


async def test_without_guests_a_token_is_needed(tmp_path: Path) -> None:
    async with serving(tmp_path, room={"guest_viewers": False}) as closed:
        room = closed.new_room()
        assert (await play(closed, room)).status == 401
        known = await play(closed, room, closed.bearer("vera", "viewer", room))
        assert known.status == 409
        assert (await closed.http.get("/api/v1/rooms")).status == 401
        guest = await closed.http.post(f"/api/v1/rooms/{room}/guest", json={})
        assert guest.status == 403


async def test_ice_servers_are_told_as_links(tmp_path: Path) -> None:
    async with serving(tmp_path, stun_servers=["stun:stun.example.net:3478"]) as server:
        room = server.new_room()
        await go_live(server, room)
        response = await play(server, room)
        assert response.headers.getall("Link") == ['<stun:stun.example.net:3478>; rel="ice-server"']


TURN = {"turn_servers": ["turn:turn.example.net:3478"], "turn_secret": "s" * 32}


def relay_names(response: aiohttp.ClientResponse) -> list[str]:
    """Usernames of the relays that a response tells."""
    links = response.headers.getall("Link", [])
    return [link.partition('username="')[2].partition('"')[0] for link in links]


async def test_relays_are_told_with_credentials_of_ones_own(tmp_path: Path) -> None:
    async with serving(tmp_path, **TURN) as server:
        room = server.new_room()
        await go_live(server, room)
        vera, vito = (server.bearer(user, "viewer", room) for user in ("vera", "vito"))
        made = [await play(server, room, who) for who in (vera, vito)]
        (first,), (second,) = (relay_names(response) for response in made)
        assert first.partition(":")[2] != second.partition(":")[2]
        (asked,) = relay_names(await server.http.options(f"/whep/{room}", headers=vera))
        assert asked.partition(":")[2] == first.partition(":")[2]
        assert 'credential-type="password"' in made[0].headers["Link"]


async def test_relays_are_for_those_who_may_start_a_session(tmp_path: Path) -> None:
    async with serving(tmp_path, room={"guest_viewers": False}, **TURN) as server:
        room = server.new_room()
        for path, headers in (
            (f"/whep/{room}", {}),
            (f"/whep/{room}", {"Authorization": "Bearer x.y.z"}),
            (f"/whip/{room}", server.bearer("vera", "viewer", room)),
            (f"/whep/{room}/session", server.bearer("vera", "viewer", room)),
            (
                f"/whep/{room}",
                server.bearer("vera", "viewer", room) | {"Access-Control-Request-Method": "POST"},
            ),
        ):
            response = await server.http.options(path, headers=headers)
            assert (response.status, relay_names(response)) == (200, []), (path, headers)
        host = server.bearer("anna", "host", room)
        assert len(relay_names(await server.http.options(f"/whip/{room}", headers=host))) == 1

"""The REST API against the real program, and its description."""

from __future__ import annotations

import aiohttp
import pytest

from tests.support.offers import offer
from tests.support.server import LiveServer, live

__all__ = ["live"]
pytestmark = pytest.mark.asyncio(loop_scope="module")


async def guest(live: LiveServer, room: str, **body: str) -> aiohttp.ClientResponse:
    return await live.http.post(f"/api/v1/rooms/{room}/guest", json=body)


async def code_of(response: aiohttp.ClientResponse) -> str:
    assert response.content_type == "application/problem+json"
    code: str = (await response.json(content_type=None))["code"]
    return code


async def test_a_guest_gets_a_viewers_token(live: LiveServer) -> None:
    room = live.new_room()
    response = await guest(live, room, name="  看客\n一 ")
    assert response.status == 201
    made = await response.json()
    claims = live.signing.verify(made["token"])
    assert claims.room == room
    assert claims.role == "viewer"
    assert claims.user.startswith("guest:")
    assert made["name"] == claims.name == "看客 一"
    assert made["expires_ms"] == claims.exp * 1000
    assert made["subject"] not in claims.user


async def test_a_guest_who_comes_back_is_the_same_person(live: LiveServer) -> None:
    first = await (await guest(live, live.new_room(), name="小红")).json()
    again = await (await guest(live, live.new_room(), token=first["token"])).json()
    assert again["subject"] == first["subject"]
    assert again["name"] == "小红"
    stranger = await (await guest(live, live.new_room())).json()
    assert stranger["subject"] != first["subject"]


async def test_an_expired_guest_token_still_says_who_it_was(live: LiveServer) -> None:
    room = live.new_room()
    old = live.token("guest:abc", "viewer", room, name="小明", ttl_s=-3600)
    response = await guest(live, room, token=old)
    assert response.status == 201
    assert live.signing.verify((await response.json())["token"]).user == "guest:abc"
    ancient = live.token("guest:abc", "viewer", room, ttl_s=-31 * 86_400)
    assert await code_of(await guest(live, room, token=ancient)) == "token_expired"


async def test_only_a_guests_token_makes_a_guest(live: LiveServer) -> None:
    room = live.new_room()
    for wrong in (live.token("anna", "host", room), "x.y.z"):
        response = await guest(live, room, token=wrong)
        assert response.status == 401
        assert await code_of(response) == "bad_token"


@pytest.mark.parametrize("body", [b"[]", b"{", b'{"name":5}', b'{"name":"' + b"x" * 65 + b'"}'])
async def test_a_wrong_body_is_explained(live: LiveServer, body: bytes) -> None:
    response = await live.http.post(f"/api/v1/rooms/{live.new_room()}/guest", data=body)
    assert response.status == 400
    assert await code_of(response) == "bad_message"


async def test_rooms_are_listed(live: LiveServer) -> None:
    room = live.new_room()
    headers = live.bearer("anna", "host", room) | {"Content-Type": "application/sdp"}
    body = (await offer("sendonly")).encode()
    assert (await live.http.post(f"/whip/{room}", data=body, headers=headers)).status == 201
    listed = (await (await live.http.get("/api/v1/rooms")).json())["rooms"]
    mine = next(summary for summary in listed if summary["room"] == room)
    assert mine["phase"] == "live"
    one = await (await live.http.get(f"/api/v1/rooms/{room}")).json()
    assert one["room"] == room
    assert one["phase"] == "live"
    stats = await live.http.get(
        f"/api/v1/rooms/{room}/media", headers=live.bearer("sam", "staff", room)
    )
    assert stats.status == 200
    assert len((await stats.json())["peers"]) == 1


async def test_an_unknown_room(live: LiveServer) -> None:
    for path in ("/api/v1/rooms/nobody-was-here", "/api/v1/rooms/-"):
        response = await live.http.get(path)
        assert response.status == 404
        assert await code_of(response) == "room_not_found"


async def test_publish_keys_are_made_listed_used_and_revoked(live: LiveServer) -> None:
    room = live.new_room()
    host = live.bearer("anna", "host", room)
    path = f"/api/v1/rooms/{room}/publish-keys"
    made = await live.http.post(path, headers=host)
    assert made.status == 201
    key = await made.json()
    assert key["whip_url"] == f"{live.url}/whip/{room}"
    by_key = {"Authorization": f"Bearer {key['key']}"}

    body = (await offer("sendonly")).encode()
    sdp = {"Content-Type": "application/sdp"}
    published = await live.http.post(f"/whip/{room}", data=body, headers=sdp | by_key)
    assert published.status == 201
    assert (await live.http.post(path, headers=by_key)).status == 403
    assert (await live.http.post(f"/whep/{room}", data=body, headers=sdp | by_key)).status == 403

    listed = (await (await live.http.get(path, headers=host)).json())["keys"]
    assert [entry["key_id"] for entry in listed] == [key["key_id"]]
    assert listed[0]["revoked_ms"] == 0
    assert "key" not in listed[0]

    session = published.headers["Location"]
    assert (await live.http.delete(f"{path}/{key['key_id']}", headers=host)).status == 204
    assert (await live.http.delete(session, headers=host)).status == 404
    assert (await live.http.delete(f"{path}/unknown", headers=host)).status == 404
    refused = await live.http.post(f"/whip/{room}", data=body, headers=sdp | by_key)
    assert refused.status == 401
    assert await code_of(refused) == "bad_token"
    listed = (await (await live.http.get(path, headers=host)).json())["keys"]
    assert listed[0]["revoked_ms"] > 0


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "publish-keys"),
        ("GET", "publish-keys"),
        ("DELETE", "publish-keys/x"),
        ("GET", "media"),
        ("GET", "profiles/x"),
    ],
)
async def test_roles_decide(live: LiveServer, method: str, path: str) -> None:
    room = live.new_room()
    url = f"/api/v1/rooms/{room}/{path}"
    without = await live.http.request(method, url)
    assert without.status == 401
    assert await code_of(without) == "missing_token"
    viewer = await live.http.request(method, url, headers=live.bearer("vera", "viewer", room))
    assert viewer.status == 403
    assert await code_of(viewer) == "forbidden"
    other = await live.http.request(method, url, headers=live.bearer("anna", "host", "other"))
    assert other.status == 403
    assert await code_of(other) == "wrong_room"


async def test_a_profile_of_nobody_is_empty(live: LiveServer) -> None:
    room = live.new_room()
    response = await live.http.get(
        f"/api/v1/rooms/{room}/profiles/nobody", headers=live.bearer("sam", "staff", room)
    )
    assert response.status == 200
    profile = await response.json()
    assert profile["subject"] == "nobody"
    assert profile["visits"] == 0


async def test_unknown_addresses_have_the_one_error_shape(live: LiveServer) -> None:
    missing = await live.http.get("/api/v1/nothing")
    assert missing.status == 404
    assert await code_of(missing) == "not_found"
    wrong = await live.http.put("/api/v1/rooms")
    assert wrong.status == 405
    assert "GET" in wrong.headers["Allow"]
    assert await code_of(wrong) == "method_not_allowed"


async def test_preflights_of_the_api(live: LiveServer) -> None:
    headers = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    response = await live.http.options("/api/v1/rooms/r1/guest", headers=headers)
    assert response.status == 204
    assert response.headers["Access-Control-Allow-Origin"] == "*"


async def test_every_route_is_described(live: LiveServer) -> None:
    described = await (await live.http.get("/api/v1/openapi.json")).json()
    assert described["openapi"].startswith("3.1")
    for resource in live.running.app.router.resources():
        path = resource.canonical
        if not path.startswith(("/api/", "/whip/", "/whep/")):
            continue
        assert path in described["paths"], path
        methods = {route.method.lower() for route in resource} - {"head"}
        assert methods <= set(described["paths"][path]), path

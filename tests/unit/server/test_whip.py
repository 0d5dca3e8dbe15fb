"""WHIP over real HTTP against the real program: status codes and headers of RFC 9725."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from server.app_keys import LIMITS
from server.rate_limit import AddressLimiter
from tests.support.offers import FRAGMENT, offer
from tests.support.server import LiveServer, live

__all__ = ["live"]
pytestmark = pytest.mark.asyncio(loop_scope="module")

SDP = {"Content-Type": "application/sdp"}
FRAG = {"Content-Type": "application/trickle-ice-sdpfrag"}


async def post(
    live: LiveServer, room: str, headers: dict[str, str], body: str | None = None
) -> aiohttp.ClientResponse:
    sdp = await offer("sendonly") if body is None else body
    return await live.http.post(f"/whip/{room}", data=sdp.encode(), headers=SDP | headers)


async def problem(response: aiohttp.ClientResponse) -> dict[str, Any]:
    assert response.content_type == "application/problem+json"
    body: dict[str, Any] = await response.json(content_type=None)
    assert body["status"] == response.status
    return body


async def test_an_offer_makes_a_session(live: LiveServer) -> None:
    room = live.new_room()
    response = await post(live, room, live.bearer("anna", "host", room))
    assert response.status == 201, await response.text()
    assert response.headers["Content-Type"] == "application/sdp"
    location = response.headers["Location"]
    assert location.startswith(f"/whip/{room}/")
    assert len(location.rpartition("/")[2]) >= 22  # 128 bits and more
    tag = response.headers["ETag"]
    assert tag.startswith('"')
    assert tag.endswith('"')
    assert "a=ice-lite" in await response.text()


@pytest.mark.parametrize("content_type", ["text/plain", "application/json", "application/sdpfrag"])
async def test_only_sdp_is_taken(live: LiveServer, content_type: str) -> None:
    room = live.new_room()
    headers = live.bearer("anna", "host", room) | {"Content-Type": content_type}
    response = await live.http.post(f"/whip/{room}", data=b"v=0", headers=headers)
    assert response.status == 415
    assert response.headers["Accept-Post"] == "application/sdp"
    assert (await problem(response))["code"] == "unsupported_media_type"


async def test_an_offer_has_a_largest_size(live: LiveServer) -> None:
    room = live.new_room()
    response = await post(live, room, live.bearer("anna", "host", room), "x" * (64 * 1024 + 1))
    assert response.status == 413
    assert (await problem(response))["code"] == "too_large"


async def test_a_body_without_length_is_cut_at_the_same_size(live: LiveServer) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield bytes(1024)

    room = live.new_room()
    headers = SDP | live.bearer("anna", "host", room)
    response = await live.http.post(f"/whip/{room}", data=endless(), headers=headers)
    assert response.status == 413


async def test_a_token_must_be_shown(live: LiveServer) -> None:
    response = await post(live, live.new_room(), {}, "v=0")
    assert response.status == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert (await problem(response))["code"] == "missing_token"


@pytest.mark.parametrize("value", ["Bearer x.y.z", "Bearer", "Basic YTpi", "Bearer " + "a" * 5000])
async def test_a_wrong_token_is_refused(live: LiveServer, value: str) -> None:
    response = await post(live, live.new_room(), {"Authorization": value}, "v=0")
    assert response.status == 401
    assert "invalid_token" in response.headers["WWW-Authenticate"]
    assert (await problem(response))["code"] == "bad_token"


async def test_an_expired_token_says_so(live: LiveServer) -> None:
    room = live.new_room()
    response = await post(live, room, live.bearer("anna", "host", room, ttl_s=-60), "v=0")
    assert response.status == 401
    assert (await problem(response))["code"] == "token_expired"


async def test_a_viewer_may_not_publish(live: LiveServer) -> None:
    room = live.new_room()
    response = await post(live, room, live.bearer("vera", "viewer", room), "v=0")
    assert response.status == 403
    assert (await problem(response))["code"] == "forbidden"


async def test_a_token_opens_its_own_room_only(live: LiveServer) -> None:
    room, other = live.new_room(), live.new_room()
    response = await post(live, room, live.bearer("anna", "host", other), "v=0")
    assert response.status == 403
    assert (await problem(response))["code"] == "wrong_room"


@pytest.mark.parametrize("body", ["", "v=0", "\x00\x01", "hello", "v=0\r\nm=audio"])
async def test_what_is_no_sdp_is_refused(live: LiveServer, body: str) -> None:
    room = live.new_room()
    response = await post(live, room, live.bearer("anna", "host", room), body)
    assert response.status == 400
    assert (await problem(response))["code"] == "bad_sdp"


async def test_two_videos_in_one_offer_are_refused_whole(live: LiveServer) -> None:
    room = live.new_room()
    body = await offer("sendonly", video=2)
    response = await post(live, room, live.bearer("anna", "host", room), body)
    assert response.status == 422
    assert (await problem(response))["code"] == "too_many_tracks"


async def test_an_impossible_room_is_not_found(live: LiveServer) -> None:
    response = await post(live, "-x", live.bearer("anna", "host", "r1"), "v=0")
    assert response.status == 404


async def test_options_needs_no_token(live: LiveServer) -> None:
    for path in ("/whip/r1", "/whip/r1/session"):
        response = await live.http.options(path)
        assert response.status == 200
        assert response.headers["Accept-Post"] == "application/sdp"


async def test_a_page_of_another_origin_may_read_what_it_needs(live: LiveServer) -> None:
    origin = {"Origin": "https://shop.example"}
    preflight = await live.http.options("/whip/r1", headers=origin)
    assert preflight.headers["Access-Control-Allow-Origin"] == "*"
    assert "PATCH" in preflight.headers["Access-Control-Allow-Methods"]
    assert "If-Match" in preflight.headers["Access-Control-Allow-Headers"]
    refused = await post(live, live.new_room(), origin, "v=0")
    exposed = refused.headers["Access-Control-Expose-Headers"]
    for name in ("Location", "ETag", "Link"):
        assert name in exposed
    assert "Access-Control-Allow-Credentials" not in refused.headers


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_look_gets_no_content(live: LiveServer, method: str) -> None:
    for path in ("/whip/r1", "/whip/r1/session"):
        response = await live.http.request(method, path)
        assert response.status == 204
        assert await response.read() == b""


async def test_patch_and_delete(live: LiveServer) -> None:
    room = live.new_room()
    who = live.bearer("anna", "host", room)
    made = await post(live, room, who)
    location, first = made.headers["Location"], made.headers["ETag"]

    async def patch(headers: dict[str, str], body: str = FRAGMENT) -> aiohttp.ClientResponse:
        return await live.http.patch(location, data=body.encode(), headers=who | FRAG | headers)

    missing = await patch({})
    assert missing.status == 428
    assert (await problem(missing))["code"] == "precondition_required"
    for stale in ('"another"', f"W/{first}"):
        response = await patch({"If-Match": stale})
        assert response.status == 412
        assert (await problem(response))["code"] == "precondition_failed"
    trickled = await patch({"If-Match": first})
    assert trickled.status == 204
    assert "ETag" not in trickled.headers

    wrong_type = await patch({"If-Match": first, "Content-Type": "application/sdp"})
    assert wrong_type.status == 415
    assert wrong_type.headers["Accept-Patch"] == FRAG["Content-Type"]
    nonsense = await patch({"If-Match": "*"}, "a=ice-ufrag:\r\nthis is nothing")
    assert nonsense.status == 400
    assert (await problem(nonsense))["code"] == "bad_fragment"
    half = await patch({"If-Match": "*"}, "a=ice-ufrag:abcd\r\n")
    assert half.status == 400

    restarted = await patch({"If-Match": "*"})
    assert restarted.status == 200
    second = restarted.headers["ETag"]
    assert second != first
    assert restarted.headers["Content-Type"] == FRAG["Content-Type"]
    text = await restarted.text()
    for line in ("a=ice-ufrag:", "a=ice-pwd:", "a=mid:0", "a=candidate:", "a=end-of-candidates"):
        assert line in text
    assert (await patch({"If-Match": first})).status == 412
    assert (await patch({"If-Match": second})).status == 204

    assert (await live.http.delete(location)).status == 401
    deleted = await live.http.delete(location, headers=who | {"If-Match": '"stale"'})
    assert deleted.status == 200
    gone = await live.http.delete(location, headers=who)
    assert gone.status == 404
    assert (await problem(gone))["code"] == "unknown_peer"
    assert (await patch({"If-Match": second})).status == 404


async def test_a_session_belongs_to_its_publisher_and_the_staff(live: LiveServer) -> None:
    room = live.new_room()
    made = await post(live, room, live.bearer("anna", "host", room))
    location = made.headers["Location"]
    stranger = await live.http.delete(location, headers=live.bearer("vera", "viewer", room))
    assert stranger.status == 403
    other_room = live.new_room()
    elsewhere = await live.http.delete(location, headers=live.bearer("anna", "host", other_room))
    assert elsewhere.status == 403
    moved = location.replace(f"/{room}/", f"/{other_room}/")
    assert (
        await live.http.delete(moved, headers=live.bearer("anna", "host", other_room))
    ).status == 404
    as_whep = location.replace("/whip/", "/whep/")
    assert (
        await live.http.delete(as_whep, headers=live.bearer("anna", "host", room))
    ).status == 404
    staff = await live.http.delete(location, headers=live.bearer("sam", "staff", room))
    assert staff.status == 200


async def test_the_same_publisher_replaces_and_another_is_refused(live: LiveServer) -> None:
    room = live.new_room()
    who = live.bearer("anna", "host", room)
    first = await post(live, room, who)
    again = await post(live, room, who)
    assert again.status == 201
    assert (await live.http.delete(first.headers["Location"], headers=who)).status == 404
    other = await post(live, room, live.bearer("bert", "host", room))
    assert other.status == 409
    assert (await problem(other))["code"] == "source_taken"
    assert (await live.http.delete(again.headers["Location"], headers=who)).status == 200


async def test_too_many_offers_from_one_address(
    live: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    limiter = AddressLimiter(rate_per_s=0.5, burst=2)
    monkeypatch.setattr(live.running.app[LIMITS], "offers", limiter)
    statuses = [(await post(live, "r1", {}, "v=0")).status for _ in range(2)]
    assert statuses == [401, 401]
    refused = await post(live, "r1", {}, "v=0")
    assert refused.status == 429
    assert refused.headers["Retry-After"] == "2"
    body = await problem(refused)
    assert body["code"] == "rate_limited"
    assert body["retryable"] is True
    assert 0 < body["retry_after_ms"] <= 2000

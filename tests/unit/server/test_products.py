"""Products and orders over HTTP, and what the room's sockets and profiles make of them."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from loadtest.room_client import RoomClient
from server.app_keys import STORE
from server.products import is_picture
from server.retention.events import StoredEvent, decode_untrusted
from server.retention.stream_keys import DEFAULT_SHARDS, FIELD, stream_key
from tests.support.server import LiveServer, live

__all__ = ["live"]
pytestmark = pytest.mark.asyncio(loop_scope="module")

SOAP = {
    "title": "手工皂",
    "price_minor": 2990,
    "currency": "CNY",
    "picture_url": "/static/img/favicon.svg",
    "link": "https://shop.example/soap?a=1",
}


async def put(live: LiveServer, room: str, sku: str, **changes: object) -> aiohttp.ClientResponse:
    headers = live.bearer("sam", "staff", room)
    path = f"/api/v1/rooms/{room}/products/{sku}"
    return await live.http.put(path, json=SOAP | changes, headers=headers)


async def code_of(response: aiohttp.ClientResponse) -> str:
    code: str = (await response.json(content_type=None))["code"]
    return code


def paid(order_id: str, **fields: object) -> dict[str, object]:
    order = {"type": "order.paid", "order_id": order_id, "user": "ann", "ccy": "CNY"}
    return order | {"paid_minor": 5980, "lines": [{"sku": "soap", "qty": 2}]} | fields


async def post(live: LiveServer, room: str, *events: dict[str, object]) -> aiohttp.ClientResponse:
    headers = live.bearer("shop", "staff", room)
    return await live.http.post("/api/v1/events", json={"events": events}, headers=headers)


async def test_a_shelf_is_stocked_pinned_and_emptied(live: LiveServer) -> None:
    room = live.new_room()
    headers = live.bearer("sam", "staff", room)
    shelf = f"/api/v1/rooms/{room}/products"
    assert (await live.http.get(shelf, headers=headers)).status == 404
    made = await put(live, room, "soap", title="  手工\n皂 ")
    assert made.status == 200
    assert await made.json() == SOAP | {"sku": "soap", "title": "手工 皂"}
    await put(live, room, "serum-2.0", link="", picture_url="")
    assert (await live.http.put(f"{shelf}/soap/pin", headers=headers)).status == 204
    listed = await (await live.http.get(shelf, headers=headers)).json()
    assert [product["sku"] for product in listed["products"]] == ["soap", "serum-2.0"]
    assert listed["pinned"] == "soap"
    assert (await live.http.delete(f"{shelf}/soap/pin", headers=headers)).status == 204
    assert (await live.http.delete(f"{shelf}/soap", headers=headers)).status == 204
    for gone in (
        live.http.delete(f"{shelf}/soap", headers=headers),
        live.http.put(f"{shelf}/soap/pin", headers=headers),
    ):
        response = await gone
        assert (response.status, await code_of(response)) == (404, "product_not_found")
    listed = await (await live.http.get(shelf, headers=headers)).json()
    assert "pinned" not in listed
    assert len(listed["products"]) == 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"title": "\u200b"}, "empty_text"),
        ({"title": "x" * 101}, "bad_message"),
        ({"price_minor": -1}, "bad_message"),
        ({"price_minor": 1.5}, "bad_message"),
        ({"currency": "yuan"}, "bad_message"),
        ({"link": "javascript:alert(1)"}, "bad_message"),
        ({"link": "/cart"}, "bad_message"),
        ({"link": "https://"}, "bad_message"),
        ({"link": "https://a@evil.example/"}, "bad_message"),
        ({"link": "https://shop.example/ a"}, "bad_message"),
        ({"link": "https://shop.example/" + "x" * 500}, "bad_message"),
        ({"link": "https://[::1"}, "bad_message"),
        ({"picture_url": "http://shop.example/a.png"}, "bad_message"),
        ({"picture_url": "data:image/svg+xml,x"}, "bad_message"),
    ],
)
async def test_a_wrong_product_is_explained(
    live: LiveServer, changes: dict[str, Any], code: str
) -> None:
    response = await put(live, "wrong-products", "soap", **changes)
    assert response.status in (400, 422)
    assert await code_of(response) == code


@pytest.mark.parametrize(
    "url", ["//evil.example/a.png", "/\\evil.example/a.png", "a.png", "/ä.png"]
)
async def test_a_path_of_this_server_stays_here(url: str) -> None:
    assert not is_picture(url)


async def test_only_back_ends_and_staff_stock_and_report(live: LiveServer) -> None:
    room = live.new_room()
    assert (await put(live, room, "soap%20x")).status == 400
    viewer = live.bearer("ann", "viewer", room)
    path = f"/api/v1/rooms/{room}/products/soap"
    assert (await live.http.put(path, json=SOAP, headers=viewer)).status == 403
    events = {"events": [paid("o1")]}
    assert (await live.http.post("/api/v1/events", json=events, headers=viewer)).status == 403
    assert (await live.http.post("/api/v1/events", json=events)).status == 401


@pytest.mark.parametrize(
    "event",
    [
        paid("o1", user=None),
        paid("o1", subject="s1"),
        paid("", user="ann"),
        paid("o1", ccy="cny"),
        paid("o1", paid_minor=-1),
        paid("o1", lines=[{"sku": "soap", "qty": 0}]),
        {"type": "order.refunded", "order_id": "o1", "user": "ann", "ccy": "CNY"},
        {"type": "coupon.claimed", "order_id": "o1"},
    ],
)
async def test_one_wrong_event_refuses_the_batch(
    live: LiveServer, event: dict[str, object]
) -> None:
    response = await post(live, live.new_room(), paid("good"), event)
    assert (response.status, await code_of(response)) == (400, "bad_message")


async def test_an_order_of_another_room_is_refused(live: LiveServer) -> None:
    response = await post(live, live.new_room(), paid("o1", room="elsewhere"))
    assert (response.status, await code_of(response)) == (403, "wrong_room")


async def test_a_pin_and_an_order_reach_every_socket(live: LiveServer) -> None:
    room = live.new_room()
    await put(live, room, "soap")
    socket = live.running.socket_url
    host = live.token("anna", "host", room)
    viewer = live.token("ann", "viewer", room, name="小雨")
    async with RoomClient(socket, host) as console, RoomClient(socket, viewer) as page:
        await console.request("start_show")
        await console.request("pin_product", sku="soap")
        pinned = await page.wait_for("product_pinned")
        assert pinned["product"] == SOAP | {"sku": "soap"}
        assert page.welcome["shelf"] == {}, "nothing was pinned when they came"
        first = paid("A-1", room=room)
        assert (await post(live, room, first)).status == 200
        second = paid("A-2", room=room, lines=[{"sku": "soap"}])
        await page.send("click_product", sku="soap")
        await page.send("click_product", sku="not-on-the-shelf")
        await page.request("ping")
        assert await (await post(live, room, first, second)).json() == {"accepted": 2}
        told = await page.wait_for("order_placed")
        assert (told["name"], told["title"], told["qty"]) == ("小**", "手工皂", 2)
        assert not {"order_id", "subject"} & told.keys()
        told = await page.wait_for("order_placed")
        assert told["qty"] == 1, "the repeat of the first order was not told again"
        clicked = [e for e in await engagements(live) if e.type == "product.clicked"]
        assert [(e.subject, e.props["product_id"]) for e in clicked] == [
            (page.welcome["you"]["subject"], "soap")
        ]


async def engagements(live: LiveServer) -> list[StoredEvent]:
    """Everything in the streams. What was said before a durable answer is there."""
    store = live.running.app[STORE].client
    streams: list[Any] = [await store.xrange(stream_key(n)) for n in range(DEFAULT_SHARDS)]
    entries = [fields[FIELD] for stream in streams for _, fields in stream]
    return [decode_untrusted(entry)[0] for entry in entries]

"""The shelf: products, the pinned one, orders that are told; and who sees what."""

from __future__ import annotations

import pytest

from signaling import commands as c
from signaling import room_state, shelf
from signaling.protocol import (
    OrderPlaced,
    ProductDelisted,
    ProductListed,
    ProductPinned,
    ProductUnpinned,
)
from signaling.shelf import KEPT_ORDERS, MAX_PRODUCTS, ORDER_NEWS_MS
from signaling.views import ProductView, ShelfView
from tests.support.room_driver import ANN, HOST, STAFF, RoomDriver

SOAP = ProductView(sku="soap", title="手工皂", price_minor=2_990, currency="CNY")
SERUM = ProductView(sku="serum", title="精华", price_minor=9_900, currency="CNY")


def stocked() -> RoomDriver:
    room = RoomDriver()
    room.do(c.PutProduct(STAFF, SOAP))
    room.do(c.PutProduct(STAFF, SERUM))
    return room


def skus(room: RoomDriver) -> list[str]:
    return [product.sku for product in room.state.shelf.products]


def bought(order_id: str = "o1", sku: str = "soap", paid_ms: int | None = None) -> c.PlaceOrder:
    room = RoomDriver()
    at_ms = room.now_ms if paid_ms is None else paid_ms
    return c.PlaceOrder(order_id, "小雨", (c.OrderLine(sku, 2),), at_ms)


def test_a_product_is_listed_changed_and_taken_away() -> None:
    room = RoomDriver()
    assert room.do(c.PutProduct(STAFF, SOAP)) == (ProductListed(product=SOAP),)
    assert room.do(c.PutProduct(STAFF, SOAP)) == (), "the same again changes nothing"
    room.do(c.PutProduct(STAFF, SERUM))
    cheaper = ProductView(sku="soap", title="手工皂", price_minor=1_990, currency="CNY")
    room.do(c.PutProduct(STAFF, cheaper))
    assert skus(room) == ["soap", "serum"], "it keeps its place"
    assert room.state.shelf.find("soap") == cheaper
    assert room.do(c.RemoveProduct(HOST, "soap")) == (ProductDelisted(sku="soap"),)
    assert skus(room) == ["serum"]
    assert room.refusal_of(c.RemoveProduct(HOST, "soap")) == "product_not_found"


def test_a_room_has_a_bounded_shelf() -> None:
    room = RoomDriver()
    for n in range(MAX_PRODUCTS):
        room.do(c.PutProduct(STAFF, ProductView(f"p{n}", "x", 1, "CNY")))
    assert room.refusal_of(c.PutProduct(STAFF, SOAP)) == "shelf_full"
    assert room.refusal_of(c.PutProduct(STAFF, ProductView("p3", "y", 1, "CNY"))) is None


def test_one_product_is_pinned_at_a_time() -> None:
    room = stocked()
    assert room.do(c.PinProduct(HOST, "soap")) == (ProductPinned(product=SOAP),)
    assert room.do(c.PinProduct(HOST, "soap")) == ()
    assert room.do(c.PinProduct(HOST, "serum")) == (ProductPinned(product=SERUM),)
    assert room.do(c.UnpinProduct(HOST, "soap")) == (), "another one is pinned by now"
    assert room.do(c.UnpinProduct(HOST, "serum")) == (ProductUnpinned(sku="serum"),)
    assert room.refusal_of(c.PinProduct(HOST, "towel")) == "product_not_found"


def test_the_card_follows_a_change_and_goes_with_its_product() -> None:
    room = stocked()
    room.do(c.PinProduct(HOST, "soap"))
    cheaper = ProductView(sku="soap", title="手工皂", price_minor=1_990, currency="CNY")
    assert room.do(c.PutProduct(STAFF, cheaper)) == (
        ProductListed(product=cheaper),
        ProductPinned(product=cheaper),
    )
    assert room.do(c.RemoveProduct(STAFF, "soap")) == (
        ProductUnpinned(sku="soap"),
        ProductDelisted(sku="soap"),
    )
    assert room.state.shelf.pinned is None


@pytest.mark.parametrize(
    "command",
    [
        c.PutProduct(ANN, SOAP),
        c.RemoveProduct(ANN, "soap"),
        c.PinProduct(ANN, "soap"),
        c.UnpinProduct(ANN, "soap"),
    ],
)
def test_viewers_change_nothing(command: c.RoomCommand) -> None:
    assert stocked().refusal_of(command) == "forbidden"


def test_staff_see_every_product_and_others_the_pinned_one() -> None:
    room = stocked()
    assert shelf.view_for(room.state.shelf, is_staff=False) == ShelfView()
    room.do(c.PinProduct(HOST, "soap"))
    assert shelf.view_for(room.state.shelf, is_staff=False) == ShelfView((SOAP,), "soap")
    assert shelf.view_for(room.state.shelf, is_staff=True) == ShelfView((SOAP, SERUM), "soap")
    assert shelf.terms_of(room.state.shelf) == ("手工皂", "精华")


def test_an_order_is_told_once_with_a_masked_name() -> None:
    room = stocked()
    room.go_live()
    (told,) = room.do(bought())
    assert told == OrderPlaced(name="小**", sku="soap", title="手工皂", qty=2, at_ms=room.now_ms)
    assert room.do(bought()) == ()
    assert len(room.do(bought("o2"))) == 1


def test_an_order_that_is_no_news_here_is_not_told() -> None:
    room = stocked()
    assert room.do(bought()) == (), "nobody watches"
    room.go_live()
    assert room.do(bought(sku="car")) == (), "not sold here"
    assert room.do(bought(paid_ms=room.now_ms - ORDER_NEWS_MS - 1)) == ()
    assert len(room.do(bought(paid_ms=room.now_ms - ORDER_NEWS_MS))) == 1


def test_remembered_orders_are_bounded() -> None:
    room = stocked()
    room.go_live()
    for n in range(KEPT_ORDERS + 5):
        room.do(bought(f"o{n}"))
    assert room.state.shelf.orders[0] == "o5"
    assert len(room.state.shelf.orders) == KEPT_ORDERS


def test_the_shelf_is_stored_with_the_room() -> None:
    room = stocked()
    room.do(c.PinProduct(HOST, "soap"))
    assert room_state.decode(room_state.encode(room.state)) == room.state

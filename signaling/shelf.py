"""What a room sells: its products, the one that is pinned, and orders that are told. A pure fold.

`apply(state, command, now_ms, is_running) -> (state, events)`. One product is pinned at a time; its
card is on every page. The shelf outlives the show: a product that stays pinned sells between shows.
"""

from __future__ import annotations

from typing import Final

import msgspec

from signaling import commands as c
from signaling.errors import Refusal
from signaling.protocol import (
    LogEvent,
    OrderPlaced,
    ProductDelisted,
    ProductListed,
    ProductPinned,
    ProductUnpinned,
)
from signaling.views import ProductView, ShelfView

MAX_PRODUCTS: Final = 50
"""Products of a room. The state is written whole with every commit: 50 of usual size are 10 kB."""
KEPT_ORDERS: Final = 200
"""Ids of orders remembered, so that a back end that says one again is not shown twice."""
ORDER_NEWS_MS: Final = 600_000
"""An order paid longer ago is no news: a back end that catches up after an outage floods nobody."""


class ShelfState(msgspec.Struct, frozen=True):
    """`products` in the order of listing. `pinned_ms` is when `pinned` was put up, 0 without."""

    products: tuple[ProductView, ...] = ()
    pinned: str | None = None
    pinned_ms: int = 0
    orders: tuple[str, ...] = ()

    def find(self, sku: str | None) -> ProductView | None:
        return next((p for p in self.products if p.sku == sku), None)


Changed = tuple[ShelfState, tuple[LogEvent, ...]]


def apply(state: ShelfState, command: c.RoomCommand, now_ms: int, is_running: bool) -> Changed:
    """Fold one command; commands of other folds change nothing. Raises `Refusal`."""
    match command:
        case c.PutProduct():
            return _put(state, command.product)
        case c.RemoveProduct():
            return _remove(state, command.sku)
        case c.PinProduct():
            return _pin(state, command.sku, now_ms)
        case c.UnpinProduct():
            return _unpin(state, command.sku)
        case c.PlaceOrder() if is_running:
            return _place_order(state, command, now_ms)
        case _:
            return state, ()


def view_for(state: ShelfState, is_staff: bool) -> ShelfView:
    """Staff see every product, the others the pinned one."""
    pinned = state.find(state.pinned)
    products = state.products if is_staff else () if pinned is None else (pinned,)
    return ShelfView(products=products, pinned=state.pinned)


def terms_of(state: ShelfState) -> tuple[str, ...]:
    """The titles of the room's products, for `asking.RoomTerms`: what a buyer may ask about."""
    return tuple(product.title for product in state.products)


def _put(state: ShelfState, product: ProductView) -> Changed:
    """A new product goes to the end, a known one keeps its place (and stays pinned)."""
    known = state.find(product.sku)
    if known == product:
        return state, ()
    if known is None:
        if len(state.products) >= MAX_PRODUCTS:
            raise Refusal("shelf_full", f"A room has at most {MAX_PRODUCTS} products.")
        products = (*state.products, product)
    else:
        products = tuple(product if p.sku == product.sku else p for p in state.products)
    events: tuple[LogEvent, ...] = (ProductListed(product=product),)
    if state.pinned == product.sku:
        events = (*events, ProductPinned(product=product))
    return msgspec.structs.replace(state, products=products), events


def _remove(state: ShelfState, sku: str) -> Changed:
    if state.find(sku) is None:
        raise Refusal("product_not_found")
    state, events = _unpin(state, sku)
    products = tuple(p for p in state.products if p.sku != sku)
    return msgspec.structs.replace(state, products=products), (*events, ProductDelisted(sku=sku))


def _pin(state: ShelfState, sku: str, now_ms: int) -> Changed:
    product = state.find(sku)
    if product is None:
        raise Refusal("product_not_found")
    if state.pinned == sku:
        return state, ()
    # A second product replaces the first on every page; its event says so.
    state = msgspec.structs.replace(state, pinned=sku, pinned_ms=now_ms)
    return state, (ProductPinned(product=product),)


def _unpin(state: ShelfState, sku: str) -> Changed:
    """Without effect when another product is pinned by now: two consoles may press at once."""
    if state.pinned != sku:
        return state, ()
    return msgspec.structs.replace(state, pinned=None, pinned_ms=0), (ProductUnpinned(sku=sku),)


def _place_order(state: ShelfState, command: c.PlaceOrder, now_ms: int) -> Changed:
    """Tell an order of a product of this room, once, and only while it is news."""
    known = ((state.find(line.sku), line.qty) for line in command.lines)
    found = next(((p, qty) for p, qty in known if p is not None), None)
    is_old = now_ms - command.paid_ms > ORDER_NEWS_MS
    if found is None or is_old or command.order_id in state.orders:
        return state, ()
    product, qty = found
    orders = (*state.orders, command.order_id)[-KEPT_ORDERS:]
    event = OrderPlaced(
        name=masked(command.name), sku=product.sku, title=product.title, qty=qty, at_ms=now_ms
    )
    return msgspec.structs.replace(state, orders=orders), (event,)


def masked(name: str) -> str:
    """The first letter of a display name and two stars: enough to feel that people buy."""
    return f"{name[:1]}**"

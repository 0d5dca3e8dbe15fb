"""The shelves of rooms, as the shop's back end reaches them over HTTP."""

from __future__ import annotations

from signaling import commands as c
from signaling import shelf
from signaling.desk import Desk
from signaling.errors import Refusal
from signaling.identity import Identity
from signaling.ids import NO_CONN, RoomRef
from signaling.room_store import RoomStore
from signaling.views import ProductView, ShelfView


class Shelves:
    """Of every room in the store, served by this node or not."""

    def __init__(self, store: RoomStore, desk: Desk) -> None:
        self._store = store
        self._desk = desk

    async def view(self, ref: RoomRef) -> ShelfView:
        """Everything on it. Raises `Refusal("room_not_found")`."""
        view = await self._store.view(ref)
        if not view.exists:
            raise Refusal("room_not_found")
        return shelf.view_for(view.state.shelf, is_staff=True)

    async def put(self, who: Identity, product: ProductView) -> None:
        """List or change a product; opens the room, as a shop may stock it before its first show.
        Raises `Refusal`: forbidden, shelf_full."""
        await self._store.create(who.ref)
        await self._desk.commit(who.ref, c.PutProduct(who.as_actor(NO_CONN), product))

    async def remove(self, who: Identity, sku: str) -> None:
        """Raises `Refusal`: forbidden, product_not_found, room_not_found."""
        await self._commit(who, c.RemoveProduct(who.as_actor(NO_CONN), sku))

    async def pin(self, who: Identity, sku: str) -> None:
        """Raises `Refusal`: forbidden, product_not_found, room_not_found."""
        await self._commit(who, c.PinProduct(who.as_actor(NO_CONN), sku))

    async def unpin(self, who: Identity, sku: str) -> None:
        """Raises `Refusal`: forbidden, room_not_found."""
        await self._commit(who, c.UnpinProduct(who.as_actor(NO_CONN), sku))

    async def place_order(self, ref: RoomRef, order: c.PlaceOrder) -> None:
        """Tell the room of an order, once; without effect in a room that does not sell it."""
        if (await self._store.view(ref)).exists:
            await self._desk.commit(ref, order)

    async def _commit(self, who: Identity, command: c.RoomCommand) -> None:
        await self.view(who.ref)
        await self._desk.commit(who.ref, command)

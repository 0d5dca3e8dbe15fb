"""`POST /api/v1/events`: what the shop's back end says of orders.

An order is remembered of its buyer first, durably, and then told in the room. Both know it by its
id, so a back end repeats whatever it got no answer for.
"""

from __future__ import annotations

import time
from typing import Annotated, Any, Final, TypeAlias

import msgspec
from aiohttp import web

from server.app_keys import DOORKEEPER, PRODUCER, ROOMS
from server.http_json import json_response, read_json
from signaling import commands as c
from signaling.engagement import Engagement
from signaling.errors import Refusal
from signaling.ids import RoomRef, ShopId, Subject
from signaling.protocol import Sku

MAX_EVENTS: Final = 100
MAX_LINES: Final = 50
MAX_USER_CHARS: Final = 256

Id = Annotated[str, msgspec.Meta(pattern="^[!-~]{1,64}$")]
Minor = Annotated[int, msgspec.Meta(ge=0, le=10**12)]
Currency = Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]
At = Annotated[int, msgspec.Meta(ge=0, le=4_102_444_800_000)]


class Line(msgspec.Struct, frozen=True):
    sku: Sku
    qty: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1
    minor: Minor = 0


class _OrderEvent(msgspec.Struct, frozen=True, tag_field="type", kw_only=True):
    """`at_ms` is Unix milliseconds, 0 for now. The buyer is named by `user`, the account id as in
    the tokens, or by `subject`, the pseudonym."""

    order_id: Id
    ccy: Currency
    at_ms: At = 0
    user: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_USER_CHARS)] | None = None
    subject: Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_.:-]{1,128}$")] | None = None


class OrderPaid(_OrderEvent, frozen=True, kw_only=True, tag="order.paid"):
    """`room`: where it is told, the token's own; None for an order of no room."""

    paid_minor: Minor
    lines: Annotated[tuple[Line, ...], msgspec.Meta(max_length=MAX_LINES)] = ()
    room: str | None = None


class OrderRefunded(_OrderEvent, frozen=True, kw_only=True, tag="order.refunded"):
    """Part of an order or all of it; several refunds of one order add up."""

    refund_id: Id
    refund_minor: Minor
    why: Annotated[str, msgspec.Meta(max_length=200)] = ""


OrderEvent: TypeAlias = OrderPaid | OrderRefunded


class EventBatch(msgspec.Struct, frozen=True):
    """Taken as a whole or refused as a whole."""

    events: Annotated[tuple[OrderEvent, ...], msgspec.Meta(min_length=1, max_length=MAX_EVENTS)]


class EventsAccepted(msgspec.Struct, frozen=True):
    """How many were taken; repeats of what was known are among them."""

    accepted: int


async def post_events(request: web.Request) -> web.Response:
    """Orders that were paid or refunded, from the shop's back end. Each is known by its id
    (`order_id`, `refund_id`): saying it again changes nothing, so repeat what was not answered.
    Answered when it is durable."""
    doorkeeper = request.app[DOORKEEPER]
    claims = await doorkeeper.back_end(request)
    batch = await read_json(request, EventBatch)
    ref = RoomRef(claims.shop, claims.room)
    now_ms = time.time_ns() // 1_000_000
    for event in batch.events:
        _check(event, ref)
    said: list[Engagement] = []
    told: list[c.PlaceOrder] = []
    for event in batch.events:
        subject = await doorkeeper.buyer(claims.shop, user=event.user, subject=event.subject)
        at_ms = min(event.at_ms or now_ms, now_ms)
        said.append(_engagement(event, claims.shop, subject, at_ms))
        if isinstance(event, OrderPaid) and event.room is not None:
            name = await doorkeeper.name_of(claims.shop, subject)
            lines = tuple(c.OrderLine(line.sku, line.qty) for line in event.lines)
            told.append(c.PlaceOrder(event.order_id, name, lines, at_ms))
    await request.app[PRODUCER].emit_durably(said)
    for order in told:
        await request.app[ROOMS].shelves.place_order(ref, order)
    return json_response(EventsAccepted(len(said)))


def _check(event: OrderEvent, ref: RoomRef) -> None:
    if (event.user is None) == (event.subject is None):
        raise Refusal("bad_message", f"{event.order_id}: give user or subject, one of them.")
    if isinstance(event, OrderPaid) and event.room not in (None, ref.room):
        raise Refusal("wrong_room", f"{event.order_id}: the token is for another room.")


def _engagement(event: OrderEvent, shop: ShopId, subject: Subject, at_ms: int) -> Engagement:
    props: dict[str, Any] = {"order_id": event.order_id, "ccy": event.ccy}
    if isinstance(event, OrderPaid):
        kind, key = "order.paid", event.order_id
        lines = [msgspec.structs.asdict(line) for line in event.lines]
        props |= {"paid_minor": event.paid_minor, "lines": lines}
    else:
        kind, key = "order.refunded", event.refund_id
        props |= {
            "refund_id": event.refund_id,
            "refund_minor": event.refund_minor,
            "why": event.why,
        }
    return Engagement(
        type=kind,
        natural_key=key,
        at_ms=at_ms,
        shop_id=shop,
        room_id=(event.room or "") if isinstance(event, OrderPaid) else "",
        show_id="",
        subject=subject,
        props=props,
    )

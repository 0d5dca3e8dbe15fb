"""Orders in the profile: payments and refunds in any order, any number of times."""

from __future__ import annotations

import itertools

import pytest
from redis.asyncio import Redis

from server.retention import functions
from server.retention.events import decode_untrusted, encode
from server.retention.fold import change_of
from server.retention.functions import FOLDED, REDELIVERED, REPEATED
from server.retention.profile import Profiles
from server.retention.stream_keys import orders_key
from signaling.engagement import Engagement
from signaling.ids import ShopId, Subject
from tests.support.engagements import SHOP, T0_MS, said


def paid(order: str, minor: int, at_ms: int = T0_MS) -> Engagement:
    return said("order.paid", order, at_ms, "s1", order_id=order, paid_minor=minor, ccy="CNY")


def refunded(order: str, refund: str, minor: int) -> Engagement:
    return said(
        "order.refunded",
        refund,
        T0_MS,
        "s1",
        order_id=order,
        refund_id=refund,
        refund_minor=minor,
        ccy="CNY",
    )


async def fold(store: Redis, *entries: tuple[str, Engagement]) -> list[int]:
    pipeline = store.pipeline(transaction=False)
    for entry_id, engagement in entries:
        event, props = decode_untrusted(encode(engagement, T0_MS))
        functions.queue_fold(pipeline, 0, entry_id, event, change_of(event, props))
    replies: list[int] = await pipeline.execute()
    return replies


async def sums(store: Redis) -> tuple[int, int, int | None]:
    view = await Profiles(store).profile(ShopId(SHOP), Subject("s1"))
    return view.orders, view.paid_minor, view.last_paid_ms


async def test_who_paid_has_bought_before(store: Redis) -> None:
    assert await sums(store) == (0, 0, None)
    await fold(store, ("1-0", paid("o1", 990)), ("2-0", paid("o2", 10, T0_MS + 5)))
    assert await sums(store) == (2, 1_000, T0_MS + 5)
    view = await Profiles(store).profile(ShopId(SHOP), Subject("s1"))
    assert view.seen_ms is None, "paying at the shop is no presence in a room"


async def test_what_is_kept_of_an_order_says_when_it_was_paid(store: Redis) -> None:
    """Tiers of the last 90 days can be told from it, after the stream is long gone."""
    await fold(store, ("1-0", paid("o1", 990)), ("2-0", refunded("o1", "r1", 90)))
    kept = await store.hgetall(orders_key(ShopId(SHOP), Subject("s1")))
    assert kept == {b"p:o1": f"990 {T0_MS}".encode(), b"r:o1": b"90", b"k:r1": b"1"}


async def test_repeats_change_nothing_however_late(store: Redis) -> None:
    first, back = paid("o1", 990), refunded("o1", "r1", 90)
    assert await fold(store, ("1-0", first), ("2-0", back)) == [FOLDED, FOLDED]
    assert await fold(store, ("1-0", first), ("2-0", back)) == [REDELIVERED, REDELIVERED]
    changed = paid("o1", 5_000)
    assert await fold(store, ("3-0", changed), ("4-0", back)) == [REPEATED, REPEATED]
    assert await sums(store) == (1, 900, T0_MS)


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
async def test_payments_and_refunds_come_in_any_order(store: Redis, order: tuple[int, ...]) -> None:
    facts = [paid("o1", 990), refunded("o1", "r1", 500), refunded("o1", "r2", 490), paid("o2", 7)]
    await fold(store, *((f"{n + 1}-0", facts[index]) for n, index in enumerate(order)))
    assert await sums(store) == (1, 7, T0_MS), "the wholly refunded order is none"

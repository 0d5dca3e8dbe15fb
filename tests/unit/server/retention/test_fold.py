"""What each type does to a profile."""

from __future__ import annotations

from typing import Any

import pytest

from server.retention.events import PROPS, decode_untrusted, encode
from server.retention.fold import NOTHING, Change, OrderChange, change_of
from tests.support.engagements import said

AT = 1_000_000
TABLE: dict[str, tuple[dict[str, Any], Change]] = {
    "room.opened": ({}, NOTHING),
    "room.closed": ({}, NOTHING),
    "room.joined": ({}, Change(AT, AT, AT)),
    "room.heartbeat": ({}, Change(AT, AT, AT)),
    "room.left": ({"dwell_ms": 600}, Change(AT, AT - 600, AT)),
    "message.sent": ({}, Change(AT, adds=(("messages", 1),))),
    "question.asked": ({}, Change(AT, adds=(("questions_asked", 1),))),
    "question.answered": (
        {"latency_ms": 4200, "by": "host"},
        Change(adds=(("questions_answered", 1), ("response_ms_total", 4200))),
    ),
    "mic.requested": ({}, Change(AT, adds=(("mic_requests", 1),))),
    "mic.invited": ({}, NOTHING),
    "mic.rejected": ({"reason": "expired"}, NOTHING),
    "mic.joined": ({"seat": 1}, Change(AT, adds=(("seats_taken", 1),))),
    "mic.left": ({"on_ms": 90}, Change(AT, adds=(("seat_ms", 90),))),
    "product.shown": ({"product_id": "soap"}, NOTHING),
    "product.hidden": ({"product_id": "soap"}, NOTHING),
    "product.clicked": ({"product_id": "soap"}, Change(AT, adds=(("product_clicks", 1),))),
    "order.paid": (
        {"order_id": "o1", "paid_minor": 990, "ccy": "CNY"},
        Change(order=OrderChange("o1", 990, AT)),
    ),
    "order.refunded": (
        {"order_id": "o1", "refund_id": "r1", "refund_minor": 90, "ccy": "CNY"},
        Change(order=OrderChange("o1", refund_id="r1", refund_minor=90)),
    ),
    "qoe.sample": (
        {"role": "viewer", "dir": "play", "window_ms": 10_002, "loss_pm": 3, "av_skew_ms": -12},
        NOTHING,
    ),
    "like.sent": ({"count": 12}, Change(AT, adds=(("likes", 12),))),
}


def test_the_table_is_complete() -> None:
    assert set(TABLE) == set(PROPS)


@pytest.mark.parametrize("kind", sorted(TABLE))
def test_change_of(kind: str) -> None:
    props, wanted = TABLE[kind]
    event, checked = decode_untrusted(encode(said(kind, "k", AT, "s1", **props), AT))
    assert change_of(event, checked) == wanted


def test_a_stay_longer_than_time_itself_begins_at_zero() -> None:
    event, props = decode_untrusted(encode(said("room.left", "c", 5, "s1", dwell_ms=600), 5))
    assert change_of(event, props).present_from_ms == 0

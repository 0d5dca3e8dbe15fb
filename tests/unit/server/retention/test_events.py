"""Events in the stream: every type, every way to be wrong."""

from __future__ import annotations

import contextlib
from typing import Any

import msgpack
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.retention.events import PROPS, BadEvent, decode_untrusted, encode
from tests.support.engagements import T0_MS, said

NEEDED: dict[str, dict[str, Any]] = {
    "qoe.sample": {"role": "viewer", "dir": "play", "window_ms": 10_000, "loss_pm": 0},
    "room.left": {"dwell_ms": 1},
    "question.answered": {"latency_ms": 1},
    "mic.left": {"on_ms": 1},
    "product.shown": {"product_id": "soap"},
    "product.hidden": {"product_id": "soap"},
    "product.clicked": {"product_id": "soap"},
    "order.paid": {"order_id": "o1", "paid_minor": 990, "ccy": "CNY"},
    "order.refunded": {"order_id": "o1", "refund_id": "r1", "refund_minor": 90, "ccy": "CNY"},
}


@pytest.mark.parametrize("kind", sorted(PROPS))
def test_every_type_survives_the_stream(kind: str) -> None:
    event = said(kind, "k1", T0_MS, "s1", **NEEDED.get(kind, {}), of_tomorrow=[1, "x"])
    stored, props = decode_untrusted(encode(event, T0_MS + 5))
    assert type(props) is PROPS[kind]
    assert stored.event_id == event.event_id
    assert stored.received_ms == T0_MS + 5
    assert stored.props == event.props, "unknown props are kept"
    assert {f: getattr(stored, f) for f in event.__struct_fields__} == msgspec.structs.asdict(event)


def test_the_same_statement_has_the_same_id() -> None:
    one = said("message.sent", "m1", T0_MS, "s1")
    assert one.event_id == said("message.sent", "m1", T0_MS + 9, "s1").event_id
    assert one.event_id != said("question.asked", "m1", T0_MS, "s1").event_id
    assert one.event_id != said("message.sent", "m1", T0_MS, "s1", shop="other").event_id


@pytest.mark.parametrize(
    ("kind", "props", "reason"),
    [
        ("coupon.minted", {}, "unknown_type"),
        ("room.left", {}, "bad_props"),
        ("order.paid", {"order_id": "o1", "paid_minor": 1, "ccy": "yuan"}, "bad_props"),
        ("order.paid", {"order_id": "o1", "paid_minor": -1, "ccy": "CNY"}, "bad_props"),
        ("room.left", {"dwell_ms": -1}, "bad_props"),
        ("room.left", {"dwell_ms": 1.5}, "bad_props"),
        ("room.left", {"dwell_ms": 2**60}, "bad_props"),
        ("mic.left", {"on_ms": "7"}, "bad_props"),
        ("question.answered", {"by": "host"}, "bad_props"),
        ("question.answered", {"latency_ms": 3, "by": "nobody"}, "bad_props"),
        ("like.sent", {"count": 0}, "bad_props"),
        ("qoe.sample", {}, "bad_props"),
        ("qoe.sample", {"role": "v", "dir": "up", "window_ms": 1, "loss_pm": 0}, "bad_props"),
        ("qoe.sample", {"role": "v", "dir": "play", "window_ms": 1, "loss_pm": -1}, "bad_props"),
        ("like.sent", {"count": True}, "bad_props"),
    ],
)
def test_wrong_props_name_their_reason(kind: str, props: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadEvent) as caught:
        decode_untrusted(encode(said(kind, "k", T0_MS, "s1", **props), T0_MS))
    assert caught.value.reason.startswith(reason)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"at_ms": -1}, "bad_envelope"),
        ({"at_ms": 2**53}, "bad_envelope"),
        ({"received_ms": None}, "bad_envelope"),
        ({"event_id": ""}, "bad_envelope"),
        ({"shop_id": "a}b"}, "bad_shop"),
        ({"subject": "x/{y}"}, "bad_subject"),
        ({"subject": ""}, "no_subject"),
        ({"props": [1]}, "bad_envelope"),
    ],
)
def test_wrong_envelopes_name_their_reason(change: dict[str, Any], reason: str) -> None:
    whole = msgpack.unpackb(encode(said("message.sent", "k", T0_MS, "s1"), T0_MS))
    with pytest.raises(BadEvent) as caught:
        decode_untrusted(msgpack.packb({**whole, **change}))
    assert caught.value.reason.startswith(reason)


def test_a_newer_envelope_is_read() -> None:
    whole = msgpack.unpackb(encode(said("message.sent", "k", T0_MS, "s1"), T0_MS))
    event, _ = decode_untrusted(msgpack.packb({**whole, "v": 2, "campaign": "c1"}))
    assert event.v == 2


def test_the_room_speaks_without_a_subject() -> None:
    event, _ = decode_untrusted(encode(said("room.opened", "show1", T0_MS, ""), T0_MS))
    assert event.subject == ""


def test_a_prop_that_is_no_plain_value_is_the_callers_bug() -> None:
    with pytest.raises(TypeError):
        encode(said("message.sent", "k", T0_MS, "s1", what=object()), T0_MS)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """Invariant: nothing but `BadEvent` ever comes out."""
    with contextlib.suppress(BadEvent):
        decode_untrusted(data)


@given(st.data())
def test_damaged_events_are_read_or_refused(data: st.DataObject) -> None:
    whole = bytearray(encode(said("room.left", "c1", T0_MS, "s1", dwell_ms=7), T0_MS))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(whole)))
    for damaged in (bytes(whole), bytes(whole[:cut])):
        with contextlib.suppress(BadEvent):
            decode_untrusted(damaged)


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(BadEvent):
        decode_untrusted(b"\x91" * 100_000)

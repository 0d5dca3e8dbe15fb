"""The rule of the profile: what one event changes. Pure; `functions.lua` commits it atomically.

The rule is written as sums and as stretches of presence, never as "set to", so that events may
come in any order; repeats are kept out by the store function.
"""

from __future__ import annotations

from typing import NamedTuple

from server.retention.events import (
    LikeSent,
    MessageSent,
    MicInvited,
    MicJoined,
    MicLeft,
    MicRejected,
    MicRequested,
    OrderPaid,
    OrderRefunded,
    ProductClicked,
    ProductHidden,
    ProductShown,
    Props,
    QoeSample,
    QuestionAnswered,
    QuestionAsked,
    RoomClosed,
    RoomHeartbeat,
    RoomJoined,
    RoomLeft,
    RoomOpened,
    StoredEvent,
)


class OrderChange(NamedTuple):
    """What is now known of one order: that it was paid, or that something was paid back."""

    order_id: str
    paid_minor: int | None = None
    """None for a refund."""
    paid_ms: int = 0
    refund_id: str = ""
    refund_minor: int = 0


class Change(NamedTuple):
    """What one event does to one profile."""

    seen_ms: int | None = None
    """The person was active then; None for what others did to them (an answer, an invitation)."""
    present_from_ms: int | None = None
    present_to_ms: int | None = None
    """They were in a room during [from, to); equal ends mark one moment of presence."""
    adds: tuple[tuple[str, int], ...] = ()
    """Field of the profile -> amount to add."""
    order: OrderChange | None = None


NOTHING = Change()


def change_of(event: StoredEvent, props: Props) -> Change:
    """The effect of one checked event on its subject's profile."""
    at_ms = event.at_ms
    match props:
        case RoomOpened() | RoomClosed() | MicInvited() | MicRejected() | QoeSample():
            return NOTHING
        case ProductShown() | ProductHidden():
            return NOTHING
        case ProductClicked():
            return Change(at_ms, adds=(("product_clicks", 1),))
        case OrderPaid():
            # Paying happens at the shop: it is no presence in a room.
            return Change(order=OrderChange(props.order_id, props.paid_minor, at_ms))
        case OrderRefunded():
            return Change(
                order=OrderChange(
                    props.order_id, refund_id=props.refund_id, refund_minor=props.refund_minor
                )
            )
        case RoomJoined() | RoomHeartbeat():
            # A moment of presence: opens a visit, or stretches the one within 30 s before it.
            return Change(at_ms, at_ms, at_ms)
        case RoomLeft(dwell_ms=dwell_ms):
            return Change(at_ms, max(0, at_ms - dwell_ms), at_ms)
        case MessageSent():
            return Change(at_ms, adds=(("messages", 1),))
        case QuestionAsked():
            return Change(at_ms, adds=(("questions_asked", 1),))
        case QuestionAnswered(latency_ms=latency_ms):
            return Change(adds=(("questions_answered", 1), ("response_ms_total", latency_ms)))
        case MicRequested():
            return Change(at_ms, adds=(("mic_requests", 1),))
        case MicJoined():
            return Change(at_ms, adds=(("seats_taken", 1),))
        case MicLeft(on_ms=on_ms):
            return Change(at_ms, adds=(("seat_ms", on_ms),))
        case LikeSent(count=count):
            return Change(at_ms, adds=(("likes", count),))
    raise AssertionError(f"no fold for {type(props).__name__}")

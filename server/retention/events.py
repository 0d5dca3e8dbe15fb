"""The engagement events: how they lie in the stream, and what each type must carry.

Types, props and natural keys are listed in docs/retention.md. Known props are checked, unknown
props are kept as they are; an unknown type is a bad event and goes to the dead letters.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal

import msgspec

from signaling.engagement import SCHEMA_VERSION, Engagement

MAX_AT_MS: Final = 4_102_444_800_000
"""2100-01-01: a time beyond it is a lie, and all times stay exact as Lua doubles."""
MAX_DURATION_MS: Final = 366 * 86_400_000

Millis = Annotated[int, msgspec.Meta(ge=0, le=MAX_AT_MS)]
Duration = Annotated[int, msgspec.Meta(ge=0, le=MAX_DURATION_MS)]
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Natural = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
Minor = Annotated[int, msgspec.Meta(ge=0, le=10**12)]
"""An amount in minor units: sums of a thousand of the largest stay exact as Lua doubles."""
Currency = Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]
"""ISO 4217."""
Word = Annotated[str, msgspec.Meta(max_length=64)]

_SHOP = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SUBJECT = re.compile(r"[A-Za-z0-9_.:-]{1,128}")


class BadEvent(Exception):
    """An entry that can never be folded. `reason` begins with a fixed word, then the detail."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason = f"{reason}: {detail[:200]}" if detail else reason
        super().__init__(self.reason)


class StoredEvent(msgspec.Struct, frozen=True):
    """An `Engagement` as it lies in the stream, with its id and when we received it."""

    event_id: Id
    type: Word
    natural_key: Annotated[str, msgspec.Meta(max_length=512)]
    at_ms: Millis
    received_ms: Millis
    shop_id: str
    room_id: str
    show_id: str
    subject: str
    conn: str = ""
    seq: int = 0
    src: str = "server"
    props: dict[str, Any] = {}
    v: int = SCHEMA_VERSION


# --- props, by type ---------------------------------------------------------------------------


class Props(msgspec.Struct, frozen=True):
    """Base of what a type carries; fields beyond the listed ones are allowed and kept."""


class RoomOpened(Props, frozen=True):
    host: str | None = None


class RoomClosed(Props, frozen=True):
    host: str | None = None


class RoomJoined(Props, frozen=True):
    entry: Word | None = None
    device: Word | None = None


class RoomHeartbeat(Props, frozen=True):
    visible: bool | None = None
    playing: bool | None = None


class RoomLeft(Props, frozen=True):
    """The connection was in the room during `[at_ms - dwell_ms, at_ms)`."""

    dwell_ms: Duration
    reason: Word | None = None


class MessageSent(Props, frozen=True):
    message_id: Id | None = None


class QuestionAsked(Props, frozen=True):
    question_id: Id | None = None
    product_id: str | None = None


class QuestionAnswered(Props, frozen=True):
    """`subject` of the event is the asker; `by` names who answered."""

    latency_ms: Duration
    question_id: Id | None = None
    by: Literal["host", "agent", "ai", "faq", "staff", "guest", "viewer"] = "host"


class MicRequested(Props, frozen=True):
    request_id: Id | None = None


class MicInvited(Props, frozen=True):
    request_id: Id | None = None


class MicRejected(Props, frozen=True):
    request_id: Id | None = None
    reason: Word | None = None


class MicJoined(Props, frozen=True):
    seat: int | None = None
    publish: Word | None = None


class MicLeft(Props, frozen=True):
    on_ms: Duration
    seat: int | None = None
    reason: Word | None = None


class LikeSent(Props, frozen=True):
    count: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1


class ProductShown(Props, frozen=True):
    """Its card went up on every page; `subject` is the host, or nobody."""

    product_id: Id


class ProductHidden(Props, frozen=True):
    product_id: Id


class ProductClicked(Props, frozen=True):
    product_id: Id


class OrderPaid(Props, frozen=True):
    """Said by the shop's back end; `subject` is the buyer."""

    order_id: Id
    paid_minor: Minor
    ccy: Currency


class OrderRefunded(Props, frozen=True):
    """Part of an order, or all of it; may come before the order itself."""

    order_id: Id
    refund_id: Id
    refund_minor: Minor
    ccy: Currency


class QoeSample(Props, frozen=True):
    """One transport over one window of ten seconds. `_pm` is of 1,000; `kbps_in` and `kbps_out`
    are the person's, `dir` says what the transport does (publish, play)."""

    role: Word
    dir: Literal["publish", "play"]
    window_ms: Duration
    loss_pm: Natural
    rtt_ms: Natural | None = None
    jitter_ms: Natural | None = None
    kbps_in: Natural | None = None
    kbps_out: Natural | None = None
    fps: Natural | None = None
    w: Natural | None = None
    h: Natural | None = None
    freezes: Natural | None = None
    freeze_ms: Duration | None = None
    concealed_pm: Natural | None = None
    av_skew_ms: int | None = None


PROPS: Final[dict[str, type[Props]]] = {
    "room.opened": RoomOpened,
    "room.closed": RoomClosed,
    "room.joined": RoomJoined,
    "room.heartbeat": RoomHeartbeat,
    "room.left": RoomLeft,
    "message.sent": MessageSent,
    "question.asked": QuestionAsked,
    "question.answered": QuestionAnswered,
    "mic.requested": MicRequested,
    "mic.invited": MicInvited,
    "mic.rejected": MicRejected,
    "mic.joined": MicJoined,
    "mic.left": MicLeft,
    "like.sent": LikeSent,
    "product.shown": ProductShown,
    "product.hidden": ProductHidden,
    "product.clicked": ProductClicked,
    "order.paid": OrderPaid,
    "order.refunded": OrderRefunded,
    "qoe.sample": QoeSample,
}

OF_THE_ROOM: Final = frozenset({"room.opened", "room.closed", "product.shown", "product.hidden"})
"""Types that may come without a subject."""

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(StoredEvent)


def encode(event: Engagement, received_ms: int) -> bytes:
    """The bytes of a stream entry. TypeError when a prop is no plain value (a bug of ours)."""
    return _encoder.encode(
        StoredEvent(
            event_id=event.event_id,
            type=event.type,
            natural_key=event.natural_key,
            at_ms=event.at_ms,
            received_ms=received_ms,
            shop_id=event.shop_id,
            room_id=event.room_id,
            show_id=event.show_id,
            subject=event.subject,
            conn=event.conn,
            seq=event.seq,
            src=event.src,
            props=event.props,
            v=event.v,
        )
    )


def decode_untrusted(data: bytes) -> tuple[StoredEvent, Props]:
    """One stream entry and its checked props. Raises only `BadEvent`."""
    try:
        event = _decoder.decode(data)
    except msgspec.ValidationError as error:
        raise BadEvent("bad_envelope", str(error)) from error
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise BadEvent("not_msgpack", str(error)) from error
    if _SHOP.fullmatch(event.shop_id) is None:
        raise BadEvent("bad_shop")
    if event.subject:
        if _SUBJECT.fullmatch(event.subject) is None:
            raise BadEvent("bad_subject")
    elif event.type not in OF_THE_ROOM:
        raise BadEvent("no_subject")
    wanted = PROPS.get(event.type)
    if wanted is None:
        raise BadEvent("unknown_type", event.type)
    try:
        return event, msgspec.convert(event.props, wanted)
    except msgspec.ValidationError as error:
        raise BadEvent("bad_props", str(error)) from error

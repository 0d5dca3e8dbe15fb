"""What the room looks like on the wire: the records inside snapshots and events.

Times ending in `_ms` without another word are Unix milliseconds on the server's clock.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Role = Literal["host", "guest", "viewer", "staff"]
MediaChoice = Literal["audio", "video"]
SourceName = Literal["camera", "microphone", "screen", "screen_audio"]
ShowPhase = Literal["scheduled", "live", "host_lost", "ended"]
QuestionPhase = Literal["open", "answered", "dismissed", "expired"]
QuestionSource = Literal["asked", "detected"]
"""By the ask button, or found in a chat message."""
EndReason = Literal["host_ended", "host_lost"]


class ShowView(msgspec.Struct, frozen=True):
    """`show_id` is empty while the room never had a show."""

    show_id: str
    phase: ShowPhase
    title: str
    started_ms: int | None = None
    lost_until_ms: int | None = None
    """While `host_lost`: when the show ends unless the host returns."""
    ended_ms: int | None = None
    ended_reason: EndReason | None = None
    """`host_lost`: the host did not come back within the grace."""


class SeatView(msgspec.Struct, frozen=True):
    """One taken seat; empty seats are not listed. Seat 0 is the host's."""

    seat: int
    subject: str
    name: str
    role: Role
    sources: tuple[SourceName, ...] = ()
    """What is being published now."""
    muted: tuple[SourceName, ...] = ()
    """What staff muted for everybody."""
    reconnecting_until_ms: int | None = None
    taken_ms: int = 0


class RequestView(msgspec.Struct, frozen=True):
    """A viewer who waits for the mic."""

    subject: str
    name: str
    media: MediaChoice
    requested_ms: int


class InviteView(msgspec.Struct, frozen=True):
    """A seat promised to a viewer until `expires_ms`."""

    subject: str
    name: str
    by: str
    seat: int
    invited_ms: int
    expires_ms: int


class StageView(msgspec.Struct, frozen=True):
    """`requests` and `invites` are complete for host and staff; others see only their own."""

    seats_total: int
    seats: tuple[SeatView, ...] = ()
    requests: tuple[RequestView, ...] = ()
    invites: tuple[InviteView, ...] = ()


class QuestionView(msgspec.Struct, frozen=True):
    """A card: one question and everybody who asks it."""

    question_id: str
    subject: str
    name: str
    text: str
    asked_ms: int
    phase: QuestionPhase = "open"
    product_id: str | None = None
    answered_ms: int | None = None
    answered_by: str | None = None
    """The answering person's display name."""
    answer: str | None = None
    """Text of a written answer; None when it was answered live."""
    count: int = 1
    """People who ask it, each once."""
    askers: tuple[str, ...] = ()
    """Names of the first few of them, the first asker's included; empty while there is but one."""
    source: QuestionSource = "asked"
    intent: str | None = None
    """What it is about (docs/questions.md); None when that is not known."""
    reasons: tuple[str, ...] = ()
    """Why a chat message was taken for a question, strongest first, while it is open."""
    claimed_by: str | None = None
    """Display name of who is answering it now."""
    claimed_ms: int | None = None
    mine: bool = False
    """In a `welcome`: you asked it."""


class ChatView(msgspec.Struct, frozen=True):
    message_id: str
    subject: str
    name: str
    role: Role
    text: str
    at_ms: int


class ProductView(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something to sell. `price_minor` counts the smallest unit of `currency` (ISO 4217)."""

    sku: str
    title: str
    price_minor: int
    currency: str
    picture_url: str = ""
    """`https://…` or a path of this server; empty: no picture."""
    link: str = ""
    """Where it is bought (`http` or `https`); empty: the shop has no page for it."""


class ShelfView(msgspec.Struct, frozen=True, omit_defaults=True):
    """`products`: all for host and staff, only the pinned one for others."""

    products: tuple[ProductView, ...] = ()
    pinned: str | None = None
    """The sku whose card is on every page."""


class ProfileView(msgspec.Struct, frozen=True):
    """What the room remembers about one person, over all shows of the shop."""

    subject: str
    first_seen_ms: int | None = None
    seen_ms: int | None = None
    visits: int = 0
    dwell_ms: int = 0
    messages: int = 0
    questions_asked: int = 0
    questions_answered: int = 0
    response_ms_total: int = 0
    """Sum over answered questions: divide by `questions_answered` for the mean."""
    mic_requests: int = 0
    seats_taken: int = 0
    seat_ms: int = 0
    likes: int = 0
    product_clicks: int = 0
    orders: int = 0
    """Orders of the shop that were paid and not wholly refunded."""
    paid_minor: int = 0
    """What those orders brought, refunds taken off, in minor units."""
    last_paid_ms: int | None = None
    """When the latest order was paid, a refunded one included."""


class SeatSignal(msgspec.Struct, frozen=True, omit_defaults=True):
    """How well a seat's media arrives at the server. `bars` runs from 0 (silent) to 4 (good)."""

    seat: int
    bars: int
    loss_pm: int
    """Packets of 1,000 that came late or never, before repair."""
    kbps: int
    rtt_ms: int | None = None


class SlotMap(msgspec.Struct, frozen=True):
    """Which seat's source feeds a slot; None empties it."""

    mid: str
    generation: int
    track_id: str | None = None
    seat: int | None = None
    subject: str | None = None
    source: SourceName | None = None


class IceServer(msgspec.Struct, frozen=True, omit_defaults=True):
    """The W3C `RTCIceServer` dictionary."""

    urls: tuple[str, ...]
    username: str | None = None
    credential: str | None = None

"""The seam to the retention store: what a room tells it, as plain values.

Signaling states what happened; `server.retention` gives it a durable home. Event names, props and
natural keys follow the retention definitions (docs/retention.md). The event id is a UUIDv5 of
type and natural key, so that saying the same thing twice changes nothing.
"""

from __future__ import annotations

import uuid
from typing import Any, Final, Protocol

import msgspec

NAMESPACE: Final = uuid.UUID("8d1c4a36-6c1e-5f0b-9a53-1f6f0f6d0c11")
"""Fixed for ever: changing it would make every stored event id new."""

SCHEMA_VERSION: Final = 1


class Engagement(msgspec.Struct, frozen=True):
    """One thing that happened. `natural_key` is unique per type within the shop.

    `at_ms`: Unix ms when it occurred. `subject` may be empty for events of the room itself.
    `conn`/`seq` order the events of one connection. `props` holds plain JSON values; durations
    are integer ms, money is integer minor units beside an ISO 4217 code.
    """

    type: str
    natural_key: str
    at_ms: int
    shop_id: str
    room_id: str
    show_id: str
    subject: str
    conn: str = ""
    seq: int = 0
    src: str = "server"
    props: dict[str, Any] = {}
    v: int = SCHEMA_VERSION

    @property
    def event_id(self) -> str:
        return str(uuid.uuid5(NAMESPACE, f"{self.type}:{self.shop_id}:{self.natural_key}"))


class EngagementSink(Protocol):
    """Where engagements go. Implemented by `server.retention.producer.Producer`."""

    def emit(self, event: Engagement, /) -> None:
        """Queue without waiting; bounded, spooled to disk while the store is away."""
        ...

    async def emit_durably(self, events: list[Engagement], /) -> None:
        """Return when the events are in the store's stream or in the spool on disk."""
        ...

"""Where commands go: into the room, and what they changed to the retention store."""

from __future__ import annotations

from collections.abc import Iterable

from signaling.commands import RoomCommand
from signaling.engagement import Engagement, EngagementSink
from signaling.facts import engagements_of
from signaling.ids import RoomRef
from signaling.room_state import Outcome, RoomState
from signaling.room_store import Committed, MessageRef, Result, RoomStore

_NEVER_LOST = ("question.asked", "question.answered")


def engage(ref: RoomRef, before: RoomState, outcome: Outcome) -> Iterable[Engagement]:
    """The engagements of one outcome, as `RoomStore` wants to be told."""
    return engagements_of(outcome.events, before, outcome.state, shop_id=ref.shop, room_id=ref.room)


class Desk:
    """Commits and tells. A command is answered after its questions are in the retention store:
    what was acknowledged survives `kill -9` in both (DESIGN 4.3)."""

    def __init__(self, store: RoomStore, sink: EngagementSink) -> None:
        self._store = store
        self._sink = sink

    async def commit(
        self,
        ref: RoomRef,
        command: RoomCommand,
        *,
        message: MessageRef | None = None,
        result: Result | None = None,
    ) -> Committed:
        """As `RoomStore.commit`. A retry says its engagements again: perhaps the first try died
        between the two stores, and their ids make it harmless."""
        committed = await self._store.commit(ref, command, message=message, result=result)
        durable = [e for e in committed.done.engagements if e.type in _NEVER_LOST]
        for engagement in committed.done.engagements:
            if engagement.type not in _NEVER_LOST:
                self._sink.emit(engagement)
        if durable:
            await self._sink.emit_durably(durable)
        return committed

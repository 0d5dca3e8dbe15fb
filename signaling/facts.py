"""What the retention store is told about a committed change: room events as engagements.

A pure function of the events and the states around them. Natural keys follow the retention
definitions, so telling the same change twice changes nothing. Times are those of the facts, not of
the telling: an invite that ran out while the server was down ran out at its `expires_ms`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from signaling.engagement import Engagement
from signaling.ids import RoomId, ShopId
from signaling.protocol import (
    InviteEnded,
    InviteSent,
    LogEvent,
    MicRequested,
    MicRequestEnded,
    ProductPinned,
    ProductUnpinned,
    QuestionAnswered,
    QuestionAsked,
    QuestionJoined,
    SeatLeft,
    SeatTaken,
    ShowChanged,
)
from signaling.room_state import RoomState
from signaling.stage_state import HOST_SEAT


def engagements_of(
    events: Iterable[LogEvent],
    before: RoomState,
    after: RoomState,
    *,
    shop_id: ShopId,
    room_id: RoomId,
) -> list[Engagement]:
    """The engagements of one committed `Outcome`; `before` is the state it was applied to."""
    teller = _Teller(before, after, shop_id, room_id)
    return [fact for event in events for fact in teller.tell(event)]


class _Teller:
    """Looks up in the states what events do not carry: request ids and roles."""

    def __init__(
        self, before: RoomState, after: RoomState, shop_id: ShopId, room_id: RoomId
    ) -> None:
        self._before = before
        self._after = after
        self._shop_id = shop_id
        self._room_id = room_id
        self._ended_ms: int | None = None
        """When the show of `before` ended, once its event was told: it precedes the stage's."""

    def tell(self, event: LogEvent) -> Iterable[Engagement]:
        match event:
            case QuestionAsked():
                q = event.question
                yield self._asked(q.question_id, q.asked_ms, q.subject, q.product_id)
            case QuestionJoined():
                yield self._joined(event)
            case QuestionAnswered():
                yield from self._answered(event)
            case _:
                fact = self._fact_of_stage_or_show(event)
                if fact is not None:
                    yield fact

    def _fact_of_stage_or_show(self, event: LogEvent) -> Engagement | None:
        match event:
            case ShowChanged():
                return self._show(event)
            case MicRequested() | InviteSent() | SeatTaken():
                return self._mic_begun(event)
            case MicRequestEnded() | InviteEnded():
                return None if event.outcome == "accepted" else self._mic_rejected(event)
            case ProductPinned() | ProductUnpinned():
                return self._shelf(event)
            case SeatLeft():
                return self._mic_left(event)
            case _:
                return None

    def _show(self, event: ShowChanged) -> Engagement | None:
        show = event.show
        if show.phase == "ended" and show.ended_ms is not None:
            props: dict[str, Any] = {"reason": show.ended_reason}
            self._ended_ms = show.ended_ms
            at_ms, kind, host = show.ended_ms, "room.closed", self._before.show.host
        elif show.show_id != self._before.show.show_id and show.started_ms is not None:
            props = {"title": show.title}
            at_ms, kind, host = show.started_ms, "room.opened", self._after.show.host
        else:
            return None
        return self._fact(kind, show.show_id, at_ms, host, show.show_id, props)

    def _joined(self, event: QuestionJoined) -> Engagement:
        card = self._after.questions.find_open(event.question_id)
        product_id = card.product_id if card is not None else None
        return self._asked(event.ask_id, event.asked_ms, event.subject, product_id)

    def _asked(self, ask_id: str, at_ms: int, subject: str, product_id: str | None) -> Engagement:
        props = {"question_id": ask_id, "message_id": ask_id, "product_id": product_id}
        show_id = self._after.show.show_id
        return self._fact("question.asked", ask_id, at_ms, subject, show_id, props)

    def _answered(self, event: QuestionAnswered) -> Iterable[Engagement]:
        """One for each asker: everybody waited for as long as they did."""
        record = self._after.questions.find_answered(event.question.question_id)
        card = self._before.questions.find_open(event.question.question_id)
        assert record is not None, "what was just answered is in the state"
        assert card is not None, "what was just answered was open before"
        by = "host" if record.answered_role == "host" else "agent"
        at_ms = card.asked_ms + event.response_ms
        asks = [(card.question_id, card.subject, card.asked_ms, card.show_id)]
        asks += [(a.ask_id, a.subject, a.asked_ms, a.show_id) for a in card.others]
        for ask_id, subject, asked_ms, show_id in asks:
            props = {"question_id": ask_id, "by": by, "latency_ms": max(0, at_ms - asked_ms)}
            yield self._fact("question.answered", f"{ask_id}:{by}", at_ms, subject, show_id, props)

    def _shelf(self, event: ProductPinned | ProductUnpinned) -> Engagement | None:
        """One showing of a product lasts from its pin to its unpin (or the next pin, which says
        so by itself). A pinned product that was only changed is no new showing."""
        before, after = self._before.shelf, self._after.shelf
        if isinstance(event, ProductUnpinned):
            kind, sku, pinned_ms = "hidden", event.sku, before.pinned_ms
            at_ms = self._after.last_now_ms
        elif (before.pinned, before.pinned_ms) == (after.pinned, after.pinned_ms):
            return None
        else:
            kind, sku, pinned_ms = "shown", event.product.sku, after.pinned_ms
            at_ms = pinned_ms
        show = self._after.show
        key = f"{show.show_id}:{sku}:{pinned_ms}:{kind}"
        return self._fact(
            f"product.{kind}", key, at_ms, show.host, show.show_id, {"product_id": sku}
        )

    def _mic_begun(self, event: MicRequested | InviteSent | SeatTaken) -> Engagement | None:
        stage = self._after.stage
        match event:
            case MicRequested():
                request = stage.request_of(event.request.subject)
                assert request is not None, "a request that was just made is in the state"
                props: dict[str, Any] = {"request_id": request.request_id, "media": request.media}
                return self._mic(
                    "requested", request.request_id, request.requested_ms, request.subject, props
                )
            case InviteSent():
                invite = stage.invite_of(event.invite.subject)
                assert invite is not None, "an invite that was just sent is in the state"
                props = {"request_id": invite.request_id, "seat": invite.seat}
                return self._mic(
                    "invited", invite.request_id, invite.invited_ms, invite.subject, props
                )
            case SeatTaken():
                seat = stage.seat_of(event.seat.subject)
                assert seat is not None, "a seat that was just taken is in the state"
                if seat.seat == HOST_SEAT:
                    return None
                publish = "a" if seat.media == "audio" else "av"
                props = {"request_id": seat.request_id, "seat": seat.seat, "publish": publish}
                return self._mic("joined", seat.request_id, seat.taken_ms, seat.subject, props)

    def _mic_rejected(self, event: MicRequestEnded | InviteEnded) -> Engagement:
        """Every end without a seat; `reason` is the outcome (rejected, declined, expired, ...)."""
        stage = self._before.stage
        at_ms = self._after.last_now_ms
        if isinstance(event, MicRequestEnded):
            request = stage.request_of(event.subject)
            assert request is not None, "a request that ended was there before"
            request_id = request.request_id
        else:
            invite = stage.invite_of(event.subject)
            assert invite is not None, "an invite that ended was there before"
            request_id = invite.request_id
            at_ms = min(at_ms, invite.expires_ms)
        if event.outcome == "show_ended" and self._ended_ms is not None:
            at_ms = self._ended_ms
        props = {"request_id": request_id, "reason": event.outcome}
        return self._mic(
            "rejected", request_id, at_ms, event.subject, props, self._before.show.show_id
        )

    def _mic_left(self, event: SeatLeft) -> Engagement | None:
        seat = self._before.stage.seat_of(event.subject)
        assert seat is not None, "a seat that was left was taken before"
        if seat.seat == HOST_SEAT:
            return None
        props = {
            "request_id": seat.request_id,
            "seat": seat.seat,
            "publish": "a" if seat.media == "audio" else "av",
            "on_ms": event.on_ms,
            "reason": event.reason,
        }
        at_ms = seat.taken_ms + event.on_ms
        return self._mic(
            "left", seat.request_id, at_ms, seat.subject, props, self._before.show.show_id
        )

    def _mic(
        self,
        state: str,
        request_id: str,
        at_ms: int,
        subject: str,
        props: dict[str, Any],
        show_id: str | None = None,
    ) -> Engagement:
        key = f"{request_id}:{state}"
        if show_id is None:
            show_id = self._after.show.show_id
        return self._fact(f"mic.{state}", key, at_ms, subject, show_id, props)

    def _fact(
        self,
        kind: str,
        natural_key: str,
        at_ms: int,
        subject: str,
        show_id: str,
        props: dict[str, Any],
    ) -> Engagement:
        return Engagement(
            type=kind,
            natural_key=natural_key,
            at_ms=at_ms,
            shop_id=self._shop_id,
            room_id=self._room_id,
            show_id=show_id,
            subject=subject,
            props=props,
        )

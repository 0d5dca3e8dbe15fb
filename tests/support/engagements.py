"""Seeded engagement traffic, and a plain count of what profiles must hold after it.

The count is written independently of the store function: sums over distinct event ids, and dwell
as the union of all intervals of a person, gaps up to 30 s included.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from typing import Final

from signaling.engagement import Engagement
from signaling.views import ProfileView

T0_MS: Final = 1_780_000_000_000
GAP_MS: Final = 30_000
SHOP: Final = "main"


def said(
    kind: str, key: str, at_ms: int, subject: str, shop: str = SHOP, **props: object
) -> Engagement:
    return Engagement(
        type=kind,
        natural_key=key,
        at_ms=at_ms,
        shop_id=shop,
        room_id="r1",
        show_id="show1",
        subject=subject,
        props=props,
    )


def traffic(rng: random.Random, people: int, visits: int = 4) -> list[Engagement]:
    """People who come in overlapping tabs, chat, ask, like, sit on the stage; in order of time."""
    events: list[Engagement] = []
    for number in range(people):
        subject = f"s{number}"
        for visit in range(rng.randint(1, visits)):
            conn = f"{subject}-c{visit}"
            events += _one_visit(rng, subject, conn, T0_MS + rng.randrange(7_200_000))
    events.sort(key=lambda event: event.at_ms)
    return events


def _one_visit(rng: random.Random, subject: str, conn: str, at_ms: int) -> list[Engagement]:
    dwell_ms = rng.randrange(1_000, 900_000)
    events = [
        said("room.joined", conn, at_ms, subject),
        said("room.left", conn, at_ms + dwell_ms, subject, dwell_ms=dwell_ms),
    ]
    events += [
        said("room.heartbeat", f"{conn}:{beat}", at_ms + beat, subject)
        for beat in range(15_000, dwell_ms, 15_000)
    ]
    for n in range(rng.randrange(5)):
        moment = at_ms + rng.randrange(dwell_ms)
        key = f"{conn}-{n}"
        match rng.randrange(4):
            case 0:
                events.append(said("message.sent", key, moment, subject))
            case 1:
                events.append(said("question.asked", key, moment, subject))
                wait_ms = rng.randrange(1, 600_000)
                events.append(
                    said(
                        "question.answered",
                        f"{key}:host",
                        moment + wait_ms,
                        subject,
                        by="host",
                        latency_ms=wait_ms,
                    )
                )
            case 2:
                events.append(said("like.sent", key, moment, subject, count=rng.randint(1, 50)))
            case _:
                on_ms = rng.randrange(1, 300_000)
                events.append(said("mic.requested", f"{key}:requested", moment, subject))
                events.append(said("mic.joined", f"{key}:joined", moment, subject, seat=1))
                events.append(said("mic.left", f"{key}:left", moment + on_ms, subject, on_ms=on_ms))
    return events


def expected_profiles(events: Iterable[Engagement]) -> dict[str, ProfileView]:
    """What each subject's profile must be, whatever the order and however often events came."""
    by_subject: dict[str, dict[str, Engagement]] = {}
    for event in events:
        by_subject.setdefault(event.subject, {})[event.event_id] = event
    return {
        subject: _expected(subject, list(found.values())) for subject, found in by_subject.items()
    }


def _expected(subject: str, events: list[Engagement]) -> ProfileView:
    def count(kind: str) -> int:
        return sum(event.type == kind for event in events)

    def total(kind: str, prop: str) -> int:  # a like without a count is one like
        return sum(event.props.get(prop, 1) for event in events if event.type == kind)

    passive = {
        "room.opened",
        "room.closed",
        "question.answered",
        "mic.invited",
        "mic.rejected",
        "product.shown",
        "product.hidden",
        "order.paid",
        "order.refunded",
        "qoe.sample",
    }
    seen = [event.at_ms for event in events if event.type not in passive]
    stretches = [
        (event.at_ms - event.props.get("dwell_ms", 0), event.at_ms)
        for event in events
        if event.type in {"room.joined", "room.heartbeat", "room.left"}
    ]
    visits = union(stretches)
    worth = _worth_of_orders(events)
    paid_at = [event.at_ms for event in events if event.type == "order.paid"]
    return ProfileView(
        subject=subject,
        first_seen_ms=min([*seen, *(start for start, _ in stretches)], default=None),
        seen_ms=max(seen, default=None),
        visits=len(visits),
        dwell_ms=sum(end - start for start, end in visits),
        messages=count("message.sent"),
        questions_asked=count("question.asked"),
        questions_answered=count("question.answered"),
        response_ms_total=total("question.answered", "latency_ms"),
        mic_requests=count("mic.requested"),
        seats_taken=count("mic.joined"),
        seat_ms=total("mic.left", "on_ms"),
        likes=total("like.sent", "count"),
        product_clicks=count("product.clicked"),
        orders=sum(minor > 0 for minor in worth),
        paid_minor=sum(worth),
        last_paid_ms=max(paid_at, default=None),
    )


def _worth_of_orders(events: list[Engagement]) -> list[int]:
    """What each paid order is still worth after its refunds."""
    refunds: Counter[str] = Counter()
    for event in events:
        if event.type == "order.refunded":
            refunds[event.props["order_id"]] += event.props["refund_minor"]
    paid = [event.props for event in events if event.type == "order.paid"]
    return [max(0, props["paid_minor"] - refunds[props["order_id"]]) for props in paid]


def union(stretches: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Visits: stretches joined where they overlap or lie at most 30 s apart."""
    visits: list[tuple[int, int]] = []
    for start, end in sorted(stretches):
        if visits and start - visits[-1][1] <= GAP_MS:
            visits[-1] = (visits[-1][0], max(end, visits[-1][1]))
        else:
            visits.append((start, end))
    return visits

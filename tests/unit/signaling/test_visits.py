from __future__ import annotations

from signaling.identity import Identity
from signaling.ids import ConnId, MessageId, RoomId, RoomRef, ShopId, Subject
from signaling.presence import Orphan
from signaling.visits import LIKE_WINDOW_MS, Visit, left_by_sweep

WHO = Identity(ShopId("s"), RoomId("r"), Subject("a"), "u", "n", "viewer", frozenset())
T0 = 1_700_000_000_000


def visit() -> Visit:
    return Visit(WHO, ConnId("c1"), T0, "show")


def test_joined_and_left_are_keyed_by_the_connection() -> None:
    stay = visit()
    joined, left = stay.joined("zh", None), stay.left(T0 + 5000, "client_closed")
    assert (joined.natural_key, left.natural_key) == ("c1", "c1")
    assert joined.props == {"entry": "link", "lang": "zh"}
    assert left.props == {"dwell_ms": 5000, "reason": "client_closed"}
    assert (joined.seq, left.seq) == (1, 2)
    assert joined.event_id != left.event_id


def test_a_sweep_says_the_same_event() -> None:
    orphan = Orphan(ConnId("c1"), visit().presence("n"), T0 + 9000)
    swept = left_by_sweep(RoomRef(WHO.shop, WHO.room), orphan)
    assert swept.event_id == visit().left(T0, "x").event_id
    assert swept.props["dwell_ms"] == 9000


def test_likes_are_one_event_a_window() -> None:
    stay = visit()
    assert stay.like(3, T0) is None
    assert stay.like(4, T0 + 1) is None
    assert stay.take_likes(T0 + 2) is None
    told = stay.like(1, T0 + LIKE_WINDOW_MS)
    assert told is not None
    assert told.props == {"count": 7}
    last = stay.take_likes(T0 + LIKE_WINDOW_MS + 1, is_end=True)
    assert last is not None
    assert last.props == {"count": 1}
    assert last.natural_key != told.natural_key
    assert stay.take_likes(T0 + 99_999, is_end=True) is None


def test_messages_and_heartbeats_have_keys_of_their_own() -> None:
    stay = visit()
    assert stay.said(MessageId("m1"), 5, T0).natural_key == "m1"
    assert stay.heartbeat(T0).event_id == stay.heartbeat(T0 + 1).event_id
    assert stay.heartbeat(T0).event_id != stay.heartbeat(T0 + 15_000).event_id

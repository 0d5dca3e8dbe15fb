"""One connection's stay in a room, as the retention store is told of it."""

from __future__ import annotations

from typing import Any, Final

from signaling.engagement import Engagement
from signaling.identity import Identity
from signaling.ids import ConnId, MessageId, RoomRef
from signaling.presence import Orphan, Presence

LIKE_WINDOW_MS: Final = 10_000
HEARTBEAT_MS: Final = 15_000


class Visit:
    """From joining to leaving for good; a socket that is lost and comes back is one visit.

    Natural keys follow the retention definitions: the connection id for `room.joined` and
    `room.left`, so that a sweep by another node says the same.
    """

    def __init__(self, who: Identity, conn: ConnId, joined_ms: int, show_id: str) -> None:
        self.who = who
        self.conn = conn
        self.joined_ms = joined_ms
        self.show_id = show_id
        self._seq = 0
        self._likes = 0
        self._like_window = 0

    def presence(self, node: str) -> Presence:
        """What the store keeps of it while it lasts."""
        return Presence(
            subject=self.who.subject,
            name=self.who.name,
            role=self.who.role,
            joined_ms=self.joined_ms,
            show_id=self.show_id,
            node=node,
        )

    def joined(self, lang: str | None, client: str | None) -> Engagement:
        props = {"entry": "link", "lang": lang, "device": client}
        given = {key: value for key, value in props.items() if value is not None}
        return self._say("room.joined", self.conn, self.joined_ms, given)

    def left(self, now_ms: int, reason: str) -> Engagement:
        """`dwell_ms` runs from joining to the moment the socket was lost."""
        props = {"dwell_ms": max(0, now_ms - self.joined_ms), "reason": reason}
        return self._say("room.left", self.conn, now_ms, props)

    def heartbeat(self, now_ms: int) -> Engagement:
        window = now_ms // HEARTBEAT_MS
        return self._say("room.heartbeat", f"{self.conn}:{window}", now_ms, {})

    def said(self, message_id: MessageId, length: int, now_ms: int) -> Engagement:
        props = {"message_id": message_id, "kind": "chat", "len": length}
        return self._say("message.sent", message_id, now_ms, props)

    def clicked(self, sku: str, click_id: str, now_ms: int) -> Engagement:
        return self._say("product.clicked", click_id, now_ms, {"product_id": sku, "from": "card"})

    def like(self, count: int, now_ms: int) -> Engagement | None:
        """Count likes; returns the sum of the window before once a new one begins."""
        finished = self.take_likes(now_ms)
        self._like_window = now_ms // LIKE_WINDOW_MS
        self._likes += count
        return finished

    def take_likes(self, now_ms: int, *, is_end: bool = False) -> Engagement | None:
        """The sum of a window that is over (or that ends with the visit); None without likes."""
        window = self._like_window
        if not self._likes or (not is_end and now_ms // LIKE_WINDOW_MS == window):
            return None
        count, self._likes = self._likes, 0
        at_ms = min(now_ms, (window + 1) * LIKE_WINDOW_MS)
        return self._say("like.sent", f"{self.conn}:{window}", at_ms, {"count": count})

    def _say(self, kind: str, natural_key: str, at_ms: int, props: dict[str, Any]) -> Engagement:
        self._seq += 1
        return Engagement(
            type=kind,
            natural_key=natural_key,
            at_ms=at_ms,
            shop_id=self.who.shop,
            room_id=self.who.room,
            show_id=self.show_id,
            subject=self.who.subject,
            conn=self.conn,
            seq=self._seq,
            props=props,
        )


def left_by_sweep(ref: RoomRef, orphan: Orphan) -> Engagement:
    """`room.left` of a connection whose node ended without saying it."""
    presence = orphan.presence
    return Engagement(
        type="room.left",
        natural_key=orphan.conn,
        at_ms=orphan.until_ms,
        shop_id=ref.shop,
        room_id=ref.room,
        show_id=presence.show_id,
        subject=presence.subject,
        conn=orphan.conn,
        props={"dwell_ms": orphan.until_ms - presence.joined_ms, "reason": "node_lost"},
    )

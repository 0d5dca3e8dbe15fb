"""Every key of the store that rooms use, in one place: fields, lifetime, writer.

Keys of one room share the hash tag `{shop/room}`, keys of one person `{shop/subject}`, so that each
group lives on one node of a Redis Cluster. `lm1` is the version of this layout (DESIGN 7.8).
"""

from __future__ import annotations

from typing import Final

from signaling.ids import RoomId, ShopId, Subject

PREFIX: Final = "lm1"


class RoomKeys:
    """Keys of one room, all in one hash slot. Written by `signaling.room_store` only."""

    def __init__(self, shop: ShopId, room: RoomId) -> None:
        tag = f"{PREFIX}:{{{shop}/{room}}}"
        self.state: Final = f"{tag}:state"
        """hash: `blob` (MessagePack of RoomState), `rev` (int, compare-and-set), `epoch` (random
        string, made with the room: identity of both streams). Kept for ever."""
        self.log: Final = f"{tag}:log"
        """stream: field `e` = MessagePack of one LogEvent of control, question or commerce.
        Trimmed to about 10,000 entries; a position before the oldest is `recovered: false`."""
        self.chat: Final = f"{tag}:chat"
        """stream: field `e` = MessagePack of ChatSaid. Capped at about 2,000 entries."""
        self.conns: Final = f"{tag}:conns"
        """hash: conn id -> MessagePack of Presence (subject, name, role, joined_ms, show_id, node).
        Written at join, removed at leave; one whose node is gone is swept by any other node, which
        then says `room.left` for it."""
        self.nodes: Final = f"{tag}:nodes"
        """hash: node id -> Unix ms at which it last said that it serves this room, every 15 s.
        One field stands for all its connections, so that a full room costs one write."""
        self.uplinks: Final = f"{tag}:uplinks"
        """hash: subject -> node id that receives this person's media (OBS has no socket)."""
        self.likes: Final = f"{tag}:likes"
        """hash: show_id -> count of likes."""
        self.said: Final = f"{tag}:said:"
        """prefix of string keys `said:<subject>:<message key>` -> result of that message, 10 min
        (chat 2 min): makes client retries harmless."""
        self.publish_keys: Final = f"{tag}:pubkeys"
        """hash: key id -> MessagePack of PublishKey (subject, made_ms, revoked_ms)."""


def rooms_key(shop: ShopId) -> str:
    """set of room ids of a shop that ever had a joiner; written at creation of a room."""
    return f"{PREFIX}:{{{shop}}}:rooms"


def subjects_key(shop: ShopId) -> str:
    """hash: user id -> subject; the one erasable place that links them (DESIGN 7.9)."""
    return f"{PREFIX}:{{{shop}}}:subjects"


def profile_key(shop: ShopId, subject: Subject) -> str:
    """hash: the online profile. Written by the projector's store function only."""
    return f"{PREFIX}:{{{shop}/{subject}}}:p"


def names_key(shop: ShopId) -> str:
    """hash: subject -> last display name; for consoles and `lianmai retention profile`."""
    return f"{PREFIX}:{{{shop}}}:names"


def shops_key() -> str:
    """set of shop ids that ever had a room; written at creation of a room."""
    return f"{PREFIX}:shops"


def active_rooms_key(shop: ShopId) -> str:
    """sorted set: room id -> Unix ms of the last presence refresh by any node. A room whose time
    grows old lost its node: any other node sweeps it and takes it out."""
    return f"{PREFIX}:{{{shop}}}:active"


def wake_key(node: str) -> str:
    """stream of at most one entry, expires: ends a blocked read of that node's log readers."""
    return f"{PREFIX}:{{node-{node}}}:wake"

"""Identifiers: one `NewType` a concept, so that a type checker tells them apart."""

from __future__ import annotations

import re
from typing import Final, NamedTuple, NewType

ShopId = NewType("ShopId", str)
RoomId = NewType("RoomId", str)
ShowId = NewType("ShowId", str)
Subject = NewType("Subject", str)
"""Random pseudonym of a person within a shop; the only name of a person on wire and in logs."""
ConnId = NewType("ConnId", str)
NO_CONN: Final = ConnId("")
"""Of people who act over HTTP."""
SeatNo = NewType("SeatNo", int)
QuestionId = NewType("QuestionId", str)
MessageId = NewType("MessageId", str)

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
DEFAULT_SHOP: Final = ShopId("main")


def is_room_name(text: str) -> bool:
    """1-64 of `A-Z a-z 0-9 _ -`, not starting with a sign: safe in URLs, keys and labels."""
    return _NAME.fullmatch(text) is not None


is_shop_name = is_room_name


class RoomRef(NamedTuple):
    """Which room: room ids are unique within a shop only (DESIGN 7.1)."""

    shop: ShopId
    room: RoomId

"""The lanes: classes of message with limits and queues of their own (DESIGN 4.3)."""

from __future__ import annotations

from enum import IntEnum


class Lane(IntEnum):
    """Lower value goes first. What each may lose:

    CONTROL    nothing: stage, show, moderation, direct replies
    QUESTION   nothing: buyer questions and their answers
    COMMERCE   nothing: orders, gifts
    CHAT       under flood: oldest first, counted and told
    AMBIENT    anything but the latest: likes, joins, counts are merged
    """

    CONTROL = 0
    QUESTION = 1
    COMMERCE = 2
    CHAT = 3
    AMBIENT = 4

    @property
    def is_durable(self) -> bool:
        """Messages of these lanes are never dropped once admitted."""
        return self <= Lane.COMMERCE

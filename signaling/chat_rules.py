"""What the host and staff set for the chat of a room: slow mode."""

from __future__ import annotations

import msgspec

from signaling import commands as c
from signaling.protocol import LogEvent, SlowModeChanged
from signaling.rules import RoomRules


class ChatRules(msgspec.Struct, frozen=True):
    """`slow_mode_s` None: nobody has set it, the settings of the server count."""

    slow_mode_s: int | None = None


def slow_mode_s(state: ChatRules, rules: RoomRules) -> int:
    """Seconds between two chat messages of one person; 0: as fast as the limits allow."""
    return rules.slow_mode_s if state.slow_mode_s is None else state.slow_mode_s


def apply(
    state: ChatRules, command: c.RoomCommand, rules: RoomRules
) -> tuple[ChatRules, tuple[LogEvent, ...]]:
    """Fold one command; everything but `SetSlowMode` is somebody else's."""
    if not isinstance(command, c.SetSlowMode) or command.seconds == slow_mode_s(state, rules):
        return state, ()
    changed = SlowModeChanged(slow_mode_s=command.seconds, by=command.actor.name)
    return ChatRules(slow_mode_s=command.seconds), (changed,)

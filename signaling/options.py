"""What the operator decides about rooms; the front door makes it from the settings."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from media.seam import CodecPolicy
from signaling.ids import Subject
from signaling.lane import Lane
from signaling.limits import DEFAULT_ALLOWANCES, Allowance
from signaling.rules import RoomRules
from signaling.turn import TurnServers
from signaling.views import IceServer


class RoomOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Durations are milliseconds, rates are messages a second for one person."""

    title_default: str = ""
    seats: int = 4
    """Including the host's."""
    invite_timeout_ms: int = 30_000
    seat_grace_ms: int = 15_000
    """A guest who is not heard keeps the seat so long; a lost socket keeps its transports."""
    host_grace_ms: int = 60_000
    slow_mode_s: int = 0
    """Seconds between two chat messages of one person."""
    max_viewers: int = 5_000
    """Viewers of one room."""
    max_viewers_node: int = 20_000
    """Sockets of one node, all rooms together; host and staff still come in beyond it."""
    max_rooms: int = 10_000
    """Rooms served by one node at once: bounds what made-up room names can cost."""
    slots_audio: int = 4
    slots_video: int = 4
    chat_per_s: float = 2.0
    chat_burst: float = 5.0
    chat_room_per_s: float = 300.0
    """Of all viewers of a room on one node together."""
    ask_per_min: float = 10.0
    ask_burst: float = 3.0
    question_ttl_ms: int = 7 * 24 * 3600 * 1000
    detect_questions: bool = True
    """Chat messages that ask something become questions, too."""
    undetected_rooms: frozenset[str] = frozenset()
    """Rooms in which they do not."""
    policy: CodecPolicy = CodecPolicy()
    ice_servers: tuple[IceServer, ...] = ()
    """Told to everybody alike: those that need no credentials."""
    turn: TurnServers | None = None

    def ice_servers_for(self, subject: Subject, now_ms: int) -> tuple[IceServer, ...]:
        """Those for everybody, and relays with credentials made now for this person."""
        if self.turn is None:
            return self.ice_servers
        return (*self.ice_servers, self.turn.for_person(subject, now_ms))

    @property
    def rules(self) -> RoomRules:
        return RoomRules(
            title=self.title_default,
            seats_total=self.seats,
            invite_timeout_ms=self.invite_timeout_ms,
            seat_grace_ms=self.seat_grace_ms,
            host_grace_ms=self.host_grace_ms,
            question_ttl_ms=self.question_ttl_ms,
            slow_mode_s=self.slow_mode_s,
        )

    @property
    def room_chat(self) -> Allowance:
        """Half a second's worth at once: a greeting of everybody is shown, a flood is not."""
        return Allowance(self.chat_room_per_s, max(2.0, self.chat_room_per_s / 2))

    @property
    def allowances(self) -> Mapping[Lane, Allowance]:
        return {
            **DEFAULT_ALLOWANCES,
            Lane.CHAT: Allowance(self.chat_per_s, self.chat_burst),
            Lane.QUESTION: Allowance(self.ask_per_min / 60, self.ask_burst),
        }

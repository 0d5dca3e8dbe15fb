"""A room driven by hand: named people, a clock that moves when told, commands in, events out."""

from __future__ import annotations

from signaling import commands as c
from signaling import room_state
from signaling.actor import Actor
from signaling.errors import Refusal
from signaling.ids import QuestionId, ShowId, Subject
from signaling.protocol import LogEvent
from signaling.room_state import RoomState
from signaling.rules import RoomRules
from signaling.views import Role

START_MS = 1_800_000_000_000

_VIEWER = frozenset({"chat", "ask", "like", "request_mic"})
_STAFF = frozenset(
    {"chat", "ask", "like", "manage_stage", "manage_questions", "see_profiles", "api"}
)
GRANTS: dict[Role, frozenset[str]] = {
    "viewer": _VIEWER,
    "guest": _VIEWER,
    "staff": _STAFF,
    "host": _STAFF | {"publish", "host_show"},
}


def person(name: str, role: Role = "viewer") -> Actor:
    """Somebody whose subject is derived from the name."""
    return Actor(
        subject=Subject(f"s-{name}"), name=name, role=role, grants=GRANTS[role], conn=f"c-{name}"
    )


HOST = person("host", "host")
STAFF = person("staff", "staff")
ANN = person("ann")
BEN = person("ben")
CAT = person("cat")
DAN = person("dan")


def target(actor: Actor, is_present: bool = True) -> c.Target:
    return c.Target(subject=actor.subject, name=actor.name, is_present=is_present)


class RoomDriver:
    """Holds the state and the time; `do` applies one command now."""

    def __init__(self, rules: RoomRules = RoomRules()) -> None:  # noqa: B008 - frozen
        self.state: RoomState = room_state.initial(rules)
        self.now_ms = START_MS
        self._shows = 0
        self._episodes = 0

    def do(self, command: c.RoomCommand) -> tuple[LogEvent, ...]:
        outcome = room_state.apply(self.state, command, self.now_ms)
        self.state = outcome.state
        return outcome.events

    def refusal_of(self, command: c.RoomCommand) -> str | None:
        """The code with which a command is refused; None when it would pass. Changes nothing."""
        try:
            room_state.apply(self.state, command, self.now_ms)
        except Refusal as refusal:
            return refusal.code
        return None

    def advance(self, ms: int) -> tuple[LogEvent, ...]:
        """Let time pass and tick once."""
        self.now_ms += ms
        return self.do(c.Tick())

    def go_live(self, title: str | None = None) -> tuple[LogEvent, ...]:
        self._shows += 1
        return self.do(c.StartShow(HOST, ShowId(f"show-{self._shows}"), title))

    def request(self, actor: Actor) -> tuple[LogEvent, ...]:
        return self.do(c.RequestMic(actor, self._episode()))

    def invite(self, actor: Actor, by: Actor = HOST) -> tuple[LogEvent, ...]:
        return self.do(c.Invite(by, self._episode(), target(actor)))

    def seat(self, actor: Actor) -> tuple[LogEvent, ...]:
        """Request and accept."""
        return (*self.request(actor), *self.do(c.AcceptRequest(HOST, actor.subject)))

    def ask(
        self, actor: Actor, question_id: str, text: str = "这个适合油皮吗"
    ) -> tuple[LogEvent, ...]:
        return self.do(c.Ask(actor, QuestionId(question_id), text))

    def _episode(self) -> str:
        self._episodes += 1
        return f"episode-{self._episodes}"

"""What people do, at which second of a run. Values of `loadtest.scenario.timeline`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Person:
    """One of a group. `user` is the name to come in by: the same each time."""

    group: str
    number: int
    """From 0, within the group."""
    user: str
    role: Literal["host", "guest", "viewer", "staff"]


@dataclass(frozen=True, slots=True)
class Join:
    """Comes in: publishes (host), watches, opens the socket, as the group has it."""

    at_s: float
    person: Person


@dataclass(frozen=True, slots=True)
class Leave:
    """Goes, at the mic or not. Who has none stays to the end."""

    at_s: float
    person: Person


@dataclass(frozen=True, slots=True)
class Chat:
    at_s: float
    person: Person
    text: str


@dataclass(frozen=True, slots=True)
class Ask:
    at_s: float
    person: Person
    text: str


@dataclass(frozen=True, slots=True)
class Like:
    """One message with `count` likes."""

    at_s: float
    person: Person
    count: int


@dataclass(frozen=True, slots=True)
class TakeMic:
    """Takes the mic for `hold_s`, which ends with the stay or the run at the latest."""

    at_s: float
    person: Person
    hold_s: float


Action = Join | Leave | Chat | Ask | Like | TakeMic

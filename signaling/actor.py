"""Who says it: the authenticated person behind a command."""

from __future__ import annotations

from typing import Final

import msgspec

from signaling.errors import Refusal
from signaling.ids import Subject
from signaling.views import Role

STAFF_GRANTS: Final = frozenset({"manage_stage", "manage_questions"})
"""Whoever holds one of these works at a console and sees requests, invites and all questions."""


def is_staff(grants: frozenset[str]) -> bool:
    """True for host and staff: those who see the whole stage and every question."""
    return not STAFF_GRANTS.isdisjoint(grants)


class Actor(msgspec.Struct, frozen=True):
    """A person as the token and the connection state them.

    `conn` is empty for people who act over HTTP (WHIP). `is_present` says whether the person has
    an open socket in the room; who publishes from OBS only has none.
    """

    subject: Subject
    name: str
    role: Role
    grants: frozenset[str]
    conn: str = ""
    is_present: bool = True

    @property
    def is_staff(self) -> bool:
        return is_staff(self.grants)

    def require(self, grant: str) -> None:
        """Raise `Refusal("forbidden")` without the grant: deny by default (DESIGN 7.9)."""
        if grant not in self.grants:
            raise Refusal("forbidden", f"This needs the grant {grant}.")

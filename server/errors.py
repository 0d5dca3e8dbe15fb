"""Errors that a person who runs the program can mend.

UserError            one clear sentence that names the fix; the command line prints it, exit 2
├── SettingsError    every mistake of the settings together
├── StoreError       the store cannot be used
│   └── StoreInUse   another program has this data folder
└── TlsError         a certificate or key cannot be used
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple


class UserError(Exception):
    """Expected, and worth no traceback: `str` is a sentence for the person at the keyboard."""

    exit_code: ClassVar[int] = 1


class UsageError(UserError):
    """An argument of the command line has a value that cannot be meant."""

    exit_code = 2


class Problem(NamedTuple):
    """One mistake: which setting, where it was written, and what to do about it."""

    setting: str
    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.setting} ({self.where}): {self.message}"


class SettingsError(UserError):
    """The settings do not hold; `problems` has every mistake found."""

    exit_code = 2

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        count = "one mistake" if len(problems) == 1 else f"{len(problems)} mistakes"
        lines = "".join(f"\n  {problem}" for problem in problems)
        super().__init__(f"the settings have {count}:{lines}")


class StoreError(UserError):
    """The store cannot be started, reached or used."""


class StoreInUse(StoreError):
    """A live program holds the data folder. `pid` is its process id, None when unknown."""

    def __init__(self, message: str, pid: int | None) -> None:
        self.pid = pid
        super().__init__(message)


class TlsError(UserError):
    """A certificate or private key is missing, unreadable or does not fit."""

"""What is wrong with a scenario, in words for the person who wrote it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ScenarioError(Exception):
    """A scenario cannot be used. Each problem is one line that names its place; the message holds
    them all, a line each."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """ "; did you mean `weak`?", or "; there is: a, b" when nothing is near; empty when nothing is
    known."""
    # Sorted: the same answer for equally near names in every run.
    names = sorted(known)
    close = difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.6)
    if close:
        return f"; did you mean `{close[0]}`?"
    return f"; there is: {', '.join(names)}" if names else ""

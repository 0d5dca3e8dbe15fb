"""Transition tables that can be tested for holes and can draw themselves.

A table answers one question for every pair of state and input: where does it go, does it stay,
or which refusal is the answer? What else a move needs (a free seat, a grant) is checked by
the fold that owns the table and is listed with the move as `may_refuse`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Generic, NamedTuple, TypeVar

S = TypeVar("S", bound=str)
"""A state: a string, or a member of a string `Enum`."""


class Step(NamedTuple, Generic[S]):
    """What one input does in one state: exactly one of a move, staying, or a refusal."""

    to: S | None = None
    refusal: str | None = None
    may_refuse: tuple[str, ...] = ()

    @property
    def is_stay(self) -> bool:
        return self.to is None and self.refusal is None


class Table(Generic[S]):
    """Steps by (state, name of the input), complete by construction.

    Raises ValueError when a pair is missing or unknown, so that a hole cannot be shipped.
    """

    def __init__(
        self,
        states: Iterable[S],
        rows: Mapping[str, Mapping[S, Step[S]]],
        *,
        first: S,
    ) -> None:
        self.states = tuple(states)
        self.inputs = tuple(rows)
        self.first = first
        for name, row in rows.items():
            if set(row) != set(self.states):
                raise ValueError(f"{name} must say what happens in each of {self.states}")
        self._rows = rows

    def step(self, state: S, name: str) -> Step[S]:
        return self._rows[name][state]

    def mermaid(self) -> str:
        """The moves as a Mermaid state diagram, in table order."""
        lines = ["stateDiagram-v2", f"    [*] --> {self.first}"]
        for name in self.inputs:
            for state in self.states:
                step = self.step(state, name)
                if step.to is not None:
                    lines.append(f"    {state} --> {step.to}: {name}")
        return "\n".join(lines)

    def markdown(self) -> str:
        """Every pair as a Markdown table: `→ state`, `–` (the state stays) or the refusal."""
        head = "| | " + " | ".join(self.states) + " |"
        rule = "|---|" + "---|" * len(self.states)
        rows = [
            f"| {name} | " + " | ".join(_cell(self.step(s, name)) for s in self.states) + " |"
            for name in self.inputs
        ]
        return "\n".join([head, rule, *rows])


def _cell(step: Step[S]) -> str:
    if step.refusal is not None:
        return f"`{step.refusal}`"
    if step.to is None:
        return "–"
    also = "".join(f" / `{code}`" for code in step.may_refuse)
    return f"→ {step.to}{also}"

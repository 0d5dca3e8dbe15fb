"""Tables have no holes, and draw what they say."""

from __future__ import annotations

from typing import Any

import pytest

from signaling import questions, show, stage_table
from signaling.commands import Command
from signaling.errors import REFUSALS
from signaling.transitions import Step, Table

TABLES: dict[str, Table[Any]] = {
    "show": show.TABLE,
    "stage": stage_table.TABLE,
    "questions": questions.TABLE,
}

WITHOUT_STATES = {
    "SetSlowMode",
    "PinProduct",
    "PlaceOrder",
    "PutProduct",
    "RemoveProduct",
    "UnpinProduct",
}
"""They set what they name, whatever was before."""


def test_a_missing_pair_is_no_table() -> None:
    with pytest.raises(ValueError, match="open must say"):
        Table[str](("a", "b"), {"open": {"a": Step(to="b")}}, first="a")


def test_an_unknown_state_is_no_table() -> None:
    with pytest.raises(ValueError, match="open must say"):
        Table[str](("a",), {"open": {"a": Step(to="a"), "z": Step()}}, first="a")


@pytest.mark.parametrize("name", TABLES)
def test_every_pair_has_one_outcome_with_registered_refusals(name: str) -> None:
    table = TABLES[name]
    for state in table.states:
        for input_name in table.inputs:
            step = table.step(state, input_name)
            assert not (step.to is not None and step.refusal is not None)
            assert all(code in REFUSALS for code in (step.refusal, *step.may_refuse) if code)


def test_every_command_is_in_a_table() -> None:
    named = {name for table in TABLES.values() for name in table.inputs}
    commands = {cls.__name__ for cls in Command.__subclasses__()}
    commands |= {cls.__name__ for sub in Command.__subclasses__() for cls in sub.__subclasses__()}
    assert commands - named == {"PersonCommand", "Tick", *WITHOUT_STATES}


def test_mermaid_lists_moves_only() -> None:
    rows = {"open": {"a": Step(to="b"), "b": Step[str](refusal="forbidden")}}
    table = Table[str](("a", "b"), rows, first="a")
    assert table.mermaid() == "stateDiagram-v2\n    [*] --> a\n    a --> b: open"


def test_markdown_lists_every_pair() -> None:
    rows = {
        "open": {
            "a": Step(to="b", may_refuse=("stage_full",)),
            "b": Step[str](refusal="forbidden"),
        },
        "wait": {"a": Step[str](), "b": Step[str]()},
    }
    table = Table[str](("a", "b"), rows, first="a")
    assert table.markdown().splitlines() == [
        "| | a | b |",
        "|---|---|---|",
        "| open | → b / `stage_full` | `forbidden` |",
        "| wait | – | – |",
    ]

"""docs/scenarios.md is true: its tables are current, its examples read."""

from __future__ import annotations

import argparse
import re
import shlex

import pytest

from loadtest.scenario.checks import MAX_PEOPLE
from loadtest.scenario.flags import add_scenario_arguments, answer, scenario_of
from loadtest.scenario.load import scenario_of_text
from loadtest.scenario.units import MAX_SECONDS
from tests.support import scenario_docs

PAGE = scenario_docs.PATH.read_text(encoding="utf-8")
COMMANDS = re.findall(r"^lianmai loadtest(?! mine\.yaml)([^#>\n]*)", PAGE, re.MULTILINE)


def test_written_parts_are_current() -> None:
    """If not: python -m tests.support.scenario_docs"""
    assert scenario_docs.written(PAGE) == PAGE


def test_a_missing_mark_is_noticed() -> None:
    with pytest.raises(ValueError, match="needs one mark named scenario"):
        scenario_docs.written("")


def test_every_field_is_explained() -> None:
    for part in scenario_docs.PARTS.values():
        assert all(info.description for info in part.model_fields.values())


def test_the_example_reads() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)\n```", PAGE, re.DOTALL)
    scenario = scenario_of_text(example, "docs")
    assert (scenario.name, scenario.people) == ("evening-show", 226)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_understood(command: str) -> None:
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_scenario_arguments(parser)
    args = parser.parse_args(shlex.split(command))
    assert answer(args) or scenario_of(args).people


def test_the_bounds_that_are_named_are_those_of_the_code() -> None:
    assert f"{MAX_PEOPLE:,} people" in PAGE
    assert f"{MAX_SECONDS / 3600:g} hours" in PAGE

"""YAML that remembers the line of each key, and refuses a key that is written twice."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from loadtest.scenario.errors import ScenarioError

MAX_DEPTH: Final = 6
"""Deeper than any key of a scenario; below, no lines are noted."""


@dataclass(frozen=True, slots=True)
class Source:
    """`lines` maps a path of keys to the line, from 1, on which it was written."""

    name: str
    values: dict[str, Any]
    lines: dict[tuple[str, ...], int] = field(default_factory=dict)

    def place(self, path: tuple[str, ...]) -> str:
        """Where the value is, or what is nearest around it: "crowd.yaml, line 3"."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                return f"{self.name}, line {self.lines[path[:length]]}"
        return self.name


def read_source(text: str, name: str) -> Source:
    """Of a YAML map; `name` is what messages call it. Raises `ScenarioError`."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{name}, line {mark.line + 1}" if mark else name
        reason = getattr(error, "problem", None) or "it cannot be read"
        raise ScenarioError([f"{where}: no valid YAML: {reason}"]) from error
    except (RecursionError, ValueError) as error:  # a tower of brackets; a date like 2024-99-99
        raise ScenarioError([f"{name}: no valid YAML: it cannot be read"]) from error
    if not isinstance(root, yaml.MappingNode) or not isinstance(values, dict):
        raise ScenarioError([f"{name}: must be a map of keys, such as `groups:`"])
    source = Source(name, {str(key): value for key, value in values.items()})
    problems = _note_lines(root, (), source)
    if problems:
        raise ScenarioError(problems)
    return source


def _note_lines(node: yaml.MappingNode, path: tuple[str, ...], source: Source) -> list[str]:
    problems: list[str] = []
    for key_node, value_node in node.value:
        here = (*path, str(key_node.value))
        line = key_node.start_mark.line + 1
        if here in source.lines:
            # YAML libraries keep the last one silently.
            key, first = ".".join(here), source.lines[here]
            problems.append(f"{source.name}, line {line}: {key}: was written on line {first}, too")
        source.lines[here] = line
        if isinstance(value_node, yaml.MappingNode) and len(here) < MAX_DEPTH:
            problems += _note_lines(value_node, here, source)
    return problems

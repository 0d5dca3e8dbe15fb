"""YAML that remembers on which line each key was written, and refuses a key written twice."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml

from server.errors import Problem


@dataclass(slots=True)
class YamlContent:
    """`origins` maps a path of keys to "file, line 3". With `problems`, values may be missing."""

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[tuple[str, ...], str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def read_yaml(text: str, name: str) -> YamlContent:
    """Read a mapping; `name` is what messages call the text. An empty text is an empty mapping."""
    content = YamlContent()
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{name}, line {mark.line + 1}" if mark else name
        reason = getattr(error, "problem", None) or "it cannot be read"
        content.problems.append(Problem("config", where, f"no valid YAML: {reason}"))
        return content
    if values is None:
        return content
    if not isinstance(root, yaml.MappingNode) or not isinstance(values, dict):
        content.problems.append(Problem("config", name, "must be a map of settings"))
        return content
    content.values = {str(key): value for key, value in values.items()}
    _note_lines(root, (), name, content)
    return content


def _note_lines(
    node: yaml.MappingNode, path: tuple[str, ...], name: str, content: YamlContent
) -> None:
    for key_node, value_node in node.value:
        here = (*path, str(key_node.value))
        where = f"{name}, line {key_node.start_mark.line + 1}"
        if here in content.origins:
            # YAML libraries keep the last one silently.
            text = f"written before, at {content.origins[here]}"
            content.problems.append(Problem(".".join(here), where, text))
        content.origins[here] = where
        if isinstance(value_node, yaml.MappingNode):
            _note_lines(value_node, here, name, content)

"""The parts of docs/scenarios.md that the code can write itself, between `<!-- name -->` marks.

`python -m tests.support.scenario_docs` writes them anew; a test checks that they are current.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any, Final, Literal, cast, get_args, get_origin

from pydantic.fields import FieldInfo

from loadtest.scenario import model
from loadtest.scenario.flags import add_scenario_arguments
from loadtest.scenario.load import list_shipped, load_scenario
from loadtest.scenario.messages import inner_part, is_mapping
from loadtest.scenario.needs import needs
from loadtest.scenario.slo_names import MEANINGS, SloName
from loadtest.scenario.units import format_duration

PATH: Final = Path(__file__).parents[2] / "docs" / "scenarios.md"

PARTS: Final[dict[str, type[model.Part]]] = {
    "scenario": model.Scenario,
    "group": model.Group,
    "join": model.Join,
    "publish": model.Publish,
    "watch": model.Watch,
    "mic": model.Mic,
    "network": model.NetworkSpec,
    "limit": model.Limit,
}
HEADINGS: Final[dict[type[model.Part], str]] = {
    model.Group: "[group](#group)",
    model.Join: "[join](#join)",
    model.Publish: "[publish](#publish)",
    model.Watch: "[watch](#watch)",
    model.Mic: "[mic](#mic)",
    model.NetworkSpec: "[network](#network)",
    model.Impairment: "as here, without `uplink`",
    model.Limit: "[limit](#limits)",
}
UNITS: Final = {"percent": "%", "ms": "ms", "kib": "KiB", "us": "µs"}


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def fields_of(part: type[model.Part]) -> str:
    """A row a key: what it holds, its default, what it means."""
    defaults = part.model_construct().model_dump(mode="json", by_alias=True)
    rows = []
    for name, info in part.model_fields.items():
        key = info.alias or name
        meaning = (info.description or "").replace("|", "\\|")
        rows.append([f"`{key}`", _held(info), f"`{_shown(defaults[key], info)}`", meaning])
    return _table(["key", "holds", "default", "meaning"], rows)


def _held(info: FieldInfo) -> str:
    part = inner_part(info.annotation)
    if part is not None:
        return f"names, each a {HEADINGS[part]}" if is_mapping(info.annotation) else HEADINGS[part]
    choices = _choices(info.annotation)
    if choices:
        return ", ".join(f"`{choice}`" for choice in choices)
    extra = cast("dict[str, Any]", info.json_schema_extra or {})
    unit = str(extra.get("unit") or "")
    if bool in (info.annotation, *get_args(info.annotation)):
        return "`true`, `false`"
    return unit or "text"


def _choices(annotation: Any) -> tuple[str, ...]:  # noqa: ANN401 -- annotations have no common type
    for option in (annotation, *get_args(annotation)):
        if get_origin(option) is Literal:
            return get_args(option)
    return ()


def _shown(default: object, info: FieldInfo) -> str:
    if inner_part(info.annotation) is not None and default is not None:
        return "{}"
    return default if isinstance(default, str) and default else json.dumps(default)


def _figures() -> str:
    rows = []
    for name in SloName:
        suffixes = [UNITS[word] for word in name.split("_") if word in UNITS]
        rows.append([f"`{name}`", suffixes[0] if suffixes else "number", MEANINGS[name]])
    return _table(["figure", "unit", "meaning"], rows)


def _shipped() -> str:
    rows = []
    for name in list_shipped():
        scenario = load_scenario(name)
        wanted = ", ".join(sorted(need.value for need in needs(scenario)))
        lasts = format_duration(scenario.duration_s)
        rows.append([f"`{name}`", lasts, str(scenario.people), wanted, scenario.about])
    return _table(["name", "lasts", "people", "needs of a server", "what it proves"], rows)


def _flags() -> str:
    parser = argparse.ArgumentParser(add_help=False)
    add_scenario_arguments(parser)
    rows = []
    for action in parser._actions:
        if not action.option_strings:
            continue
        names = ", ".join(f"`{name}`" for name in action.option_strings)
        choices = ", ".join(f"`{choice}`" for choice in action.choices or ())
        value = choices or (f"`{action.metavar}`" if action.metavar else "")
        rows.append([names, value, (action.help or "").replace("%%", "%")])
    return _table(["flag", "value", "meaning"], rows)


def sections() -> dict[str, str]:
    """The written parts by the name of their mark."""
    parts = {name: fields_of(part) for name, part in PARTS.items()}
    return {**parts, "figures": _figures(), "shipped": _shipped(), "flags": _flags()}


def written(text: str) -> str:
    """The page with every written part current. Raises ValueError when a mark is missing."""
    for name, content in sections().items():
        mark = re.compile(rf"(<!-- {name} -->\n).*?(\n<!-- /{name} -->)", re.DOTALL)
        text, found = mark.subn(lambda m, c=content: f"{m[1]}{c}{m[2]}", text)  # type: ignore[misc] # lambda default
        if found != 1:
            raise ValueError(f"docs/scenarios.md needs one mark named {name}")
    return text


if __name__ == "__main__":
    PATH.write_text(written(PATH.read_text(encoding="utf-8")), encoding="utf-8")

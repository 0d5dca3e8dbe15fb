"""Find and read a scenario file: a shipped one by its name, or any by its path."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml
from pydantic import ValidationError

from loadtest.danmaku import DanmakuError, Line, read_lines, sample
from loadtest.scenario.checks import limit_problems
from loadtest.scenario.errors import ScenarioError, did_you_mean
from loadtest.scenario.messages import problems_of
from loadtest.scenario.model import Limit, Part, Scenario
from loadtest.scenario.slo_names import SloName
from loadtest.scenario.yaml_source import Source, read_source

MAX_FILE_BYTES: Final = 1_000_000
_P = TypeVar("_P", bound=Part)
_SUFFIXES: Final = (".yaml", ".yml")


def list_shipped() -> tuple[str, ...]:
    """Names of the scenarios that come with the tool, sorted."""
    names = (
        entry.name for entry in resources.files("loadtest.scenario").joinpath("shipped").iterdir()
    )
    return tuple(sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml")))


def load_scenario(name_or_path: str) -> Scenario:
    """A shipped scenario by name, or a file by path: what has a `/` or ends in .yaml, .yml.

    Files that the scenario names are looked for beside it. Raises `ScenarioError` with all
    mistakes, one line each.
    """
    if "/" in name_or_path or name_or_path.endswith(_SUFFIXES):
        return _from_file(Path(name_or_path))
    if name_or_path not in list_shipped():
        hint = did_you_mean(name_or_path, list_shipped())
        raise ScenarioError(
            [f"there is no scenario `{name_or_path}`{hint} (a file's name ends in .yaml)"]
        )
    shipped = resources.files("loadtest.scenario").joinpath(f"shipped/{name_or_path}.yaml")
    return scenario_of_text(shipped.read_text("utf-8"), f"{name_or_path}.yaml")


def scenario_of_text(text: str, name: str) -> Scenario:
    """Of YAML; `name` is what messages call it. Raises `ScenarioError`."""
    return _validated(Scenario, read_source(text, name))


def scenario_of_values(values: dict[str, Any], name: str) -> Scenario:
    """Of values by the keys of a file. Raises `ScenarioError`."""
    return _validated(Scenario, Source(name, values))


def scenario_lines(scenario: Scenario) -> list[Line]:
    """What people of the scenario say. Raises `ScenarioError` for a file that cannot be read."""
    if scenario.lines is None:
        return sample()
    try:
        return read_lines(scenario.lines)
    except DanmakuError as error:
        raise ScenarioError([f"lines: {error}"]) from error


class _Limits(Part):
    slo: dict[SloName, Limit]


def load_slo(path: Path) -> dict[SloName, Limit]:
    """Limits of a file of their own: `joined_percent: {min: 99}`, with or without `slo:` around.

    Raises `ScenarioError`.
    """
    source = read_source(_text_of(path), path.name)
    if set(source.values) != {"slo"}:
        lines = {("slo", *path): line for path, line in source.lines.items()}
        source = Source(source.name, {"slo": source.values}, lines)
    limits = _validated(_Limits, source).slo
    if problems := list(limit_problems(limits)):
        raise ScenarioError(f"{path.name}: {problem}" for problem in problems)
    return limits


def as_values(scenario: Scenario) -> dict[str, Any]:
    """By the keys of a file, every default filled in: what a report keeps."""
    return scenario.model_dump(mode="json", by_alias=True)


def as_yaml(scenario: Scenario) -> str:
    """A file that reads as the same scenario; what is as the default says is left out."""
    values = scenario.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=100)


def _from_file(path: Path) -> Scenario:
    scenario = scenario_of_text(_text_of(path), path.name)
    return _with_files_beside(scenario, path.parent)


def _text_of(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ScenarioError([f"{path}: longer than {MAX_FILE_BYTES} bytes"])
        return path.read_text("utf-8")
    except OSError as error:
        raise ScenarioError([f"{path}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ScenarioError([f"{path}: is not UTF-8"]) from error


def _with_files_beside(scenario: Scenario, folder: Path) -> Scenario:
    """With the files that it names found, seen from `folder`."""
    problems: list[str] = []

    def found(key: str, file: Path) -> Path:
        path = folder / file.expanduser()
        if not path.is_file():
            problems.append(f"{key}: there is no file {path}")
        return path

    groups = dict(scenario.groups)
    for name, group in scenario.groups.items():
        if group.publish is not None and group.publish.file is not None:
            file = found(f"groups.{name}.publish.file", group.publish.file)
            publish = group.publish.model_copy(update={"file": file})
            groups[name] = group.model_copy(update={"publish": publish})
    lines = found("lines", scenario.lines) if scenario.lines is not None else None
    if problems:
        raise ScenarioError(problems)
    return scenario.model_copy(update={"groups": groups, "lines": lines})


def _validated(model: type[_P], source: Source) -> _P:
    try:
        return model.model_validate(source.values, by_alias=True, by_name=False)
    except ValidationError as error:
        raise ScenarioError(problems_of(error, model, source)) from error

"""Fill the settings: flags > environment `LIANMAI_*` > YAML file > defaults.

Every mistake of all sources is reported together, with where it was written; an unknown key names
the nearest known one.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from server.errors import Problem, SettingsError
from server.settings import KeySettings, Settings
from server.settings_fields import ENV_PREFIX, SettingField, section_of, setting_fields
from server.yaml_lines import read_yaml

Path_ = tuple[str, ...]

# Variables with our prefix that are no settings: where the settings are, and a client's token.
CONFIG_ENV: Final = "LIANMAI_CONFIG"
CONFIG_BODY_ENV: Final = "LIANMAI_CONFIG_BODY"
NOT_SETTINGS: Final = frozenset({CONFIG_ENV, CONFIG_BODY_ENV, "LIANMAI_TOKEN"})
# Kubernetes sets these in every pod beside a service named "lianmai".
_KUBERNETES: Final = re.compile(r"LIANMAI_(SERVICE_(HOST|PORT)(_\w+)?|PORT_\d+_(TCP|UDP)(_\w+)?)")


class _Collected:
    """Values found so far and where each was written; later sources win."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.origins: dict[Path_, str] = {}
        self.problems: list[Problem] = []

    def put(self, path: Path_, value: object, origin: str) -> None:
        at = self.values
        for part in path[:-1]:
            inner = at.get(part)
            # A short form (`tls: auto`) or nonsense gives way to the stronger source.
            at[part] = inner if isinstance(inner, dict) else {}
            at = at[part]
        at[path[-1]] = value
        self.origins[path] = origin

    def origin(self, path: Path_) -> str:
        """Of the setting, or of the section around it, or of something in it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.origins:
                return self.origins[path[:length]]
        inside = (origin for key, origin in self.origins.items() if key[: len(path)] == path)
        return next(inside, "missing")


def load_settings(
    flags: Mapping[str, object], environ: Mapping[str, str], config_path: Path | None = None
) -> Settings:
    """The settings of this program. `flags` maps names such as `tls.mode` to values, None: not
    given. `config_path` None looks at `LIANMAI_CONFIG` and `LIANMAI_CONFIG_BODY`.

    Raises `SettingsError` with every mistake found.
    """
    collected = _Collected()
    _take_file(collected, environ, config_path)
    _take_environment(collected, environ)
    _take_flags(collected, flags)
    settings: Settings | None = None
    try:
        settings = Settings.model_validate(collected.values)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False, include_context=False)
        collected.problems += [_problem(detail, collected) for detail in details]
    if collected.problems or settings is None:
        raise SettingsError(collected.problems)
    return settings


def _take_file(collected: _Collected, environ: Mapping[str, str], config_path: Path | None) -> None:
    named = environ.get(CONFIG_ENV)
    path = config_path or (Path(named) if named else None)
    if path is not None:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            collected.problems.append(Problem("config", str(path), f"cannot be read: {reason}"))
            return
        name = path.name
    else:
        name, text = f"environment {CONFIG_BODY_ENV}", environ.get(CONFIG_BODY_ENV, "")
    content = read_yaml(text, name)
    collected.problems += content.problems
    for entry, value in content.values.items():
        collected.values[entry] = value
    collected.origins.update(content.origins)


def _take_environment(collected: _Collected, environ: Mapping[str, str]) -> None:
    known = {field.env: field for field in setting_fields()}
    # `LIANMAI_TLS=auto` is short for LIANMAI_TLS_MODE, as in the file.
    short = {f"{ENV_PREFIX}TLS": ("tls", "mode")}
    for name in sorted(environ):
        value = environ[name]
        if not name.startswith(ENV_PREFIX) or name in NOT_SETTINGS or _is_kubernetes(name, value):
            continue
        origin = f"environment {name}"
        if not value:
            continue  # compose files pass unset variables as empty ones
        if name in short:
            collected.put(short[name], value, origin)
        elif name in known:
            field = known[name]
            collected.put(field.path, _env_value(field, value, collected), origin)
        else:
            nearest = _nearest(name, known)
            text = f"no such setting; the nearest is {nearest}"
            collected.problems.append(Problem(name, "environment", text))


def _is_kubernetes(name: str, value: str) -> bool:
    return bool(_KUBERNETES.fullmatch(name)) or (
        name == f"{ENV_PREFIX}PORT" and value.startswith("tcp://")
    )


def _env_value(field: SettingField, text: str, collected: _Collected) -> object:
    """Lists and maps may be YAML or JSON; a list may also be words with commas."""
    if not field.is_structured:
        return text
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        collected.problems.append(
            Problem(field.name, f"environment {field.env}", "is neither YAML nor JSON")
        )
        return field.default
    return value if isinstance(value, list | dict) else text


def _take_flags(collected: _Collected, flags: Mapping[str, object]) -> None:
    for name, value in flags.items():
        if value is None:
            continue
        path = tuple(name.split("."))
        flag = "flag --" + ("tls" if name == "tls.mode" else "-".join(path).replace("_", "-"))
        collected.put(path, value, flag)
        if name == "redis" and urlsplit(str(value)).password:
            text = "carries a password, which every user of this machine can see; use LIANMAI_REDIS"
            collected.problems.append(Problem("redis", flag, text))


def _problem(detail: ErrorDetails, collected: _Collected) -> Problem:
    path = tuple(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        nearest = nearest_setting(path)
        message = f"no such setting; the nearest is {nearest}"
    else:
        message = _sentence(detail["msg"])
    return Problem(".".join(path) or "settings", collected.origin(path), message)


def _sentence(message: str) -> str:
    """Pydantic's words, from our reader's side."""
    message = message.removeprefix("Value error, ")
    message = message.replace("Input should be", "must be").replace("Field required", "is required")
    return message[:1].lower() + message[1:] if message.startswith(("Must", "Is ")) else message


def nearest_setting(path: Path_) -> str:
    """The known setting most like an unknown one: a sibling, else any (`seats` -> `room.seats`)."""
    if len(path) >= 3 and path[0] == "keys":
        sibling = _nearest(path[-1], KeySettings.model_fields)
        return ".".join((*path[:-1], sibling))
    all_names = {field.name for field in setting_fields()}
    all_names |= {name for name, info in Settings.model_fields.items() if section_of(info)}
    by_last_word = {name.rpartition(".")[2]: name for name in all_names}
    last = path[-1].lower()
    if last in by_last_word:
        return by_last_word[last]
    parent = ".".join(path[:-1])
    siblings = [name for name in all_names if name.rpartition(".")[0] == parent]
    close = difflib.get_close_matches(".".join(path).lower(), siblings, n=1, cutoff=0.6)
    return close[0] if close else _nearest(".".join(path).lower(), all_names)


def _nearest(word: str, known: Iterable[str]) -> str:
    # Sorted: the same answer for equally near names in every run.
    return difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.0)[0]

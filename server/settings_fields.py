"""A flat view of the settings model: what the sources, the help texts and the docs walk over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from server.durations import Seconds, format_duration
from server.settings import Settings

ENV_PREFIX: Final = "LIANMAI_"
SECRETS: Final = frozenset({"redis", "keys", "turn_secret"})
"""Settings that come from the environment or a file only."""


class SettingField(NamedTuple):
    """One setting that has a value of its own (sections are walked into)."""

    path: tuple[str, ...]
    info: FieldInfo

    @property
    def name(self) -> str:
        """As written in messages: `room.seats`."""
        return ".".join(self.path)

    @property
    def env(self) -> str:
        """As written in the environment: `LIANMAI_ROOM_SEATS`."""
        return ENV_PREFIX + "_".join(self.path).upper()

    @property
    def description(self) -> str:
        return self.info.description or ""

    @property
    def unit(self) -> str:
        extra = self.info.json_schema_extra
        return str(extra.get("unit", "")) if isinstance(extra, dict) else ""

    @property
    def default(self) -> Any:  # noqa: ANN401 each setting has its own type
        return self.info.get_default(call_default_factory=True)

    @property
    def default_text(self) -> str:
        """The default as YAML's author would write it."""
        return shown_value(self.default, is_duration=self.is_duration)

    @property
    def is_duration(self) -> bool:
        return self.unit == "s" and any(
            constraint in self.info.metadata for constraint in get_args(Seconds)[1:]
        )

    @property
    def is_structured(self) -> bool:
        """True when an environment variable gives it as YAML or JSON."""
        return get_origin(self.info.annotation) in {dict, list}


def setting_fields(
    model: type[BaseModel] = Settings, path: tuple[str, ...] = ()
) -> Iterator[SettingField]:
    """Every setting in the order of the model."""
    for name, info in model.model_fields.items():
        here = (*path, name)
        section = section_of(info)
        if section is None:
            yield SettingField(here, info)
        else:
            yield from setting_fields(section, here)


def section_of(info: FieldInfo) -> type[BaseModel] | None:
    """The model of a section; None for a setting with a value of its own."""
    kind = info.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def shown_value(value: object, *, is_duration: bool = False) -> str:
    """A value in YAML's flow style, never a secret."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case SecretStr():
            return "***"
        case float() if is_duration:
            return f'"{format_duration(value)}"'
        case int() | float():
            return f"{value:g}"
        case list():
            return f"[{', '.join(shown_value(item) for item in value)}]"
        case dict():
            return "{}"
        case str() | Path():
            text = str(value)
            # YAML 1.1 would read a bare off or on as a boolean.
            plain = text.replace("_", "").replace(".", "").replace("/", "").isalnum()
            return text if plain and text not in {"off", "on", "yes", "no"} else f'"{text}"'
        case _:
            return str(value)

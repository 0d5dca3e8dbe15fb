"""The settings as text, made from the model: the commented sample file and docs/settings.md."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Final

from server.settings import KeySettings, Settings
from server.settings_fields import SECRETS, SettingField, setting_fields

WIDTH: Final = 88

_SAMPLE_HEAD: Final = """\
# Settings of lianmai, all with their defaults. Take the # away from what you change.
# Order: flags > environment > this file. Durations: "500ms", "15s", "10m", "6h".
# An unknown key is an error. Check the file with: lianmai checkconfig --config FILE
"""
_DOCS_HEAD: Final = """\
# Settings

Made from `server/settings.py` by `lianmai defaultconfig --format markdown`; a test keeps it so.

Order: command line flags > environment > YAML file (`--config FILE`, or `LIANMAI_CONFIG`, or the
text itself in `LIANMAI_CONFIG_BODY`) > defaults. An unknown key is an error that names the nearest
known one; all mistakes are reported together. Durations are texts such as `500ms`, `15s`, `10m`.
Lists in the environment are words with commas, or YAML; maps are YAML or JSON. Secrets (`redis`
with a password, `keys`, `turn_secret`) come from the environment or the file, never from flags.

"""
_KEYS_EXAMPLE: Final = """\
#keys:
#  shopkey1:
#    secret: "32 characters or more, from: openssl rand -base64 32"
#    shop: main
"""


def sample_yaml() -> str:
    """A commented YAML file with every setting; loading it changes nothing."""
    return _SAMPLE_HEAD + "".join(_sample_lines())


def _sample_lines() -> Iterator[str]:
    section: tuple[str, ...] = ()
    for field in setting_fields():
        *parents, name = field.path
        if tuple(parents) != section:
            section = tuple(parents)
            if section:
                yield f"\n# {_section_text(section[0])}\n#{section[0]}:\n"
        indent = "  " * len(parents)
        yield "\n" if not parents else ""
        yield textwrap.fill(
            _explained(field),
            WIDTH,
            initial_indent=f"#{indent} # " if parents else "# ",
            subsequent_indent=f"#{indent} # " if parents else "# ",
        )
        yield "\n"
        yield _KEYS_EXAMPLE if field.name == "keys" else f"#{indent}{name}: {field.default_text}\n"


def _section_text(name: str) -> str:
    return Settings.model_fields[name].description or ""


def _explained(field: SettingField) -> str:
    unit = f" [{field.unit}]" if field.unit and not field.is_duration else ""
    return f"{field.description}{unit}"


def settings_markdown() -> str:
    """docs/settings.md: one table row a setting, and the members of a key."""
    rows = [_row(field) for field in setting_fields()]
    key_rows = [
        f"| `{field.path[-1]}` | {_cell(field.description)} | {field.unit} |"
        for field in setting_fields(KeySettings)
    ]
    table = ["| setting | environment | default | meaning |", "|---|---|---|---|", *rows]
    keys = ["| member | meaning | unit |", "|---|---|---|", *key_rows]
    return (
        _DOCS_HEAD
        + "\n".join(table)
        + "\n\n## A key\n\n`keys` maps an API key's id (`iss` of its tokens) to:\n\n"
        + "\n".join(keys)
        + "\n"
    )


def _row(field: SettingField) -> str:
    secret = " Secret." if field.name in SECRETS else ""
    meaning = _cell(_explained(field) + secret)
    return f"| `{field.name}` | `{field.env}` | `{field.default_text}` | {meaning} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")

"""The flags that mirror settings, their texts taken from the model."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, get_args

from server.logs import set_up_logging
from server.settings import Settings
from server.settings_fields import SettingField, setting_fields
from server.settings_sources import load_settings

OPTIONS: Final[dict[str, tuple[str, str]]] = {
    # setting -> flag, placeholder
    "host": ("--host", "H"),
    "port": ("--port", "P"),
    "udp_port": ("--udp-port", "U"),
    "media_workers": ("--media-workers", "N"),
    "public_ip": ("--public-ip", "IP"),
    "data_dir": ("--data-dir", "D"),
    "redis": ("--redis", "URL"),
    "durability": ("--durability", ""),
    "tls.mode": ("--tls", ""),
    "tls.cert": ("--tls-cert", "FILE"),
    "tls.key": ("--tls-key", "FILE"),
    "internal_port": ("--internal-port", "P"),
    "projector": ("--projector", ""),
    "log_level": ("--log-level", ""),
    "log_format": ("--log-format", ""),
}
SERVE: Final = tuple(OPTIONS)
STORE: Final = ("data_dir", "redis", "durability", "log_level", "log_format")
KEYS: Final = ("data_dir",)
_DEST: Final = "setting:"


def add_settings_flags(parser: argparse.ArgumentParser, names: Sequence[str] = SERVE) -> None:
    """Add `--config` and the flags of the settings in `names`."""
    group = parser.add_argument_group(
        "settings", "flags > environment LIANMAI_* > file; all others: lianmai defaultconfig"
    )
    group.add_argument("--config", metavar="F", type=Path, help="YAML file with settings")
    fields = {field.name: field for field in setting_fields()}
    for name in names:
        flag, placeholder = OPTIONS[name]
        field = fields[name]
        group.add_argument(
            flag,
            dest=_DEST + name,
            metavar=placeholder or "|".join(_choices(field)),
            action="append" if field.is_structured else "store",
            help=_help(field),
        )


def settings_of(args: argparse.Namespace) -> Settings:
    """The settings that these arguments, the environment and the file give.

    Raises `server.errors.SettingsError`. Nothing else of the program reads the environment.
    """
    flags = {
        name.removeprefix(_DEST): value
        for name, value in vars(args).items()
        if name.startswith(_DEST)
    }
    return load_settings(flags, os.environ, args.config)


def settings_with_logs(args: argparse.Namespace) -> Settings:
    """The same for a command that runs the program's parts: their logs go to stderr."""
    settings = settings_of(args)
    set_up_logging(settings.log_level, settings.log_format)
    return settings


def _choices(field: SettingField) -> tuple[str, ...]:
    return tuple(str(choice) for choice in get_args(field.info.annotation))


def _help(field: SettingField) -> str:
    many = " May be repeated." if field.is_structured else ""
    unset = field.default is None or field.default == []
    default = "" if unset else f" (default: {str(field.default) or 'empty'})"
    return (field.description + many + default).replace("%", "%%")

"""The subcommands: what each is called, says about itself, and which module does it.

Modules are imported only when their command is used, so that `lianmai token` does not load media
code, and a part that is missing from an installation breaks its own command alone.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import importlib
import platform
import sys
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from importlib import metadata
from types import ModuleType
from typing import Any, Final

from server import settings_flags
from server.errors import UserError
from server.settings import Settings
from signaling.ids import DEFAULT_SHOP, RoomId
from signaling.views import Role

BENCH_TTL_S: Final = 6 * 3600
"""Tokens that the command line makes for its own clients outlive any run of theirs."""


@dataclass(frozen=True, slots=True)
class Command:
    """`prepare` adds arguments to the command's own parser and returns what runs it."""

    name: str
    summary: str
    prepare: Callable[[argparse.ArgumentParser], Callable[[argparse.Namespace], int]]
    examples: str = ""


def _serve(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int]:
    settings_flags.add_settings_flags(parser)

    def run(args: argparse.Namespace) -> int:
        settings = settings_flags.settings_with_logs(args)
        return _finish(_module("server.serve").run(settings))

    return run


def _demo(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int]:
    module = _module("server.demo")
    module.add_arguments(parser)
    settings_flags.add_settings_flags(parser)

    def run(args: argparse.Namespace) -> int:
        settings = settings_flags.settings_of(args)
        module.set_up_logs(settings)
        return _finish(module.run_demo(settings, args))

    return run


def _publish(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int]:
    module = _module("loadtest.publish")
    module.add_arguments(parser)
    settings_flags.add_settings_flags(parser, settings_flags.KEYS)

    def run(args: argparse.Namespace) -> int:
        settings = settings_flags.settings_of(args)

        def mint(room: str) -> str:
            return _minter(settings)(room, "publisher", "", "host")

        from server.tls import ca_certificate_path

        return _finish(module.run(args, mint=mint, ca_file=ca_certificate_path(settings)))

    return run


def _loadtest(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int]:
    module = _module("loadtest.cli")
    module.add_arguments(parser)
    settings_flags.add_settings_flags(parser, settings_flags.KEYS)

    def run(args: argparse.Namespace) -> int:
        settings = settings_flags.settings_of(args)

        # Only a server that runs here needs our keys, and a crowd needs many tokens of them.
        signer = functools.cache(lambda: _minter(settings))

        def mint(room: str, user: str, role: Role) -> str:
            return signer()(room, user, "", role)

        return _finish(module.run(args, mint=mint))

    return run


def _retention(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int]:
    module = _module("server.retention.cli")
    module.add_arguments(parser)
    settings_flags.add_settings_flags(parser, settings_flags.STORE)

    def run(args: argparse.Namespace) -> int:
        return _finish(module.run(args, settings_flags.settings_with_logs(args)))

    return run


def _own(name: str) -> Callable[[argparse.ArgumentParser], Callable[[argparse.Namespace], int]]:
    """A module with `add_arguments(parser)` and `run(args) -> int`."""

    def prepare(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int]:
        module = _module(name)
        module.add_arguments(parser)
        run: Callable[[argparse.Namespace], int] = module.run
        return run

    return prepare


def _checkconfig(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int]:
    settings_flags.add_settings_flags(parser)

    def run(args: argparse.Namespace) -> int:
        settings_flags.settings_of(args)
        print("the settings are good")
        return 0

    return run


def _defaultconfig(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int]:
    parser.add_argument("--format", choices=("yaml", "markdown"), default="yaml")

    def run(args: argparse.Namespace) -> int:
        from server.settings_text import sample_yaml, settings_markdown

        text = sample_yaml() if args.format == "yaml" else settings_markdown()
        print(text, end="")
        return 0

    return run


def _version(_: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int]:
    def run(_: argparse.Namespace) -> int:
        print(f"lianmai {version()} (Python {platform.python_version()}, {sys.platform})")
        return 0

    return run


COMMANDS: Final = (
    Command(
        "serve",
        "run the server",
        _serve,
        "examples:\n"
        "  lianmai serve --data-dir /var/lib/lianmai\n"
        "  lianmai serve --tls auto                  phones on this network may use their camera\n"
        "  lianmai serve --public-ip 203.0.113.7     behind NAT\n"
        "  LIANMAI_REDIS=redis://:PASSWORD@HOST:6379 lianmai serve\n",
    ),
    Command(
        "demo",
        "run everything with a live room, a synthetic host and chatting viewers",
        _demo,
        "examples:\n  lianmai demo\n  lianmai demo --tls auto        then open a link on a phone\n",
    ),
    Command(
        "token",
        "make a join token",
        _own("server.tokens"),
        "examples:\n"
        "  lianmai token --room demo --user anna --role host --ttl 6h\n"
        "  lianmai token --room demo --user li --name 小李 --role viewer\n\n"
        "The token goes to standard output, links that carry it to standard error.\n",
    ),
    Command(
        "publish",
        "send a video file into a room",
        _publish,
        "examples:\n  lianmai publish show.mp4 --room demo\n",
    ),
    Command(
        "loadtest",
        "send a crowd to a server, and report what it got and what it cost",
        _loadtest,
        "examples:\n"
        "  lianmai loadtest                                     the smoke test, a few seconds\n"
        "  lianmai loadtest --list                              what is shipped\n"
        "  lianmai loadtest danmaku-flood --html report.html\n"
        "  lianmai loadtest one-host-many-viewers --grow 1,10,50,100\n"
        "  lianmai loadtest one-host-many-viewers --target lianmai --target janus --rounds 3\n"
        "  lianmai loadtest --video-publishers 1 --subscribers 50 --duration 1m --url URL\n",
    ),
    Command(
        "retention",
        "what the store remembers of people",
        _retention,
        "examples:\n  lianmai retention profile anna\n",
    ),
    Command(
        "questions",
        "tell questions from other messages: measure it, or explain one text",
        _own("server.asking"),
        "examples:\n"
        "  lianmai questions explain 怎么这么好看\n"
        "  lianmai questions eval messages.jsonl\n"
        "  lianmai questions eval messages.jsonl --format json\n",
    ),
    Command(
        "doctor",
        "check what is missing or slow on this machine, and say how to mend it",
        _own("server.doctor"),
        "examples:\n  lianmai doctor\n  lianmai doctor --format json\n",
    ),
    Command(
        "checkconfig",
        "check the settings without starting anything",
        _checkconfig,
        "examples:\n  lianmai checkconfig --config lianmai.yaml\n",
    ),
    Command(
        "defaultconfig",
        "print a commented sample of the settings file",
        _defaultconfig,
        "examples:\n  lianmai defaultconfig > lianmai.yaml\n",
    ),
    Command("version", "print the version", _version),
)


def version() -> str:
    """Of the installed package; a checkout that was never installed has none."""
    try:
        return metadata.version("lianmai")
    except metadata.PackageNotFoundError:
        return "(not installed)"


def _module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not name.startswith(error.name):
            raise  # the module is there, something it needs is not: a bug worth its traceback
        raise UserError(f"this installation does not have the part {name!r}") from error


def _finish(result: Coroutine[Any, Any, int | None] | int | None) -> int:
    """Exit code of a command, run to its end on uvloop if it is a coroutine."""
    if asyncio.iscoroutine(result):
        import uvloop

        result = uvloop.run(result)
    assert result is None or isinstance(result, int), "a command returns its exit code"
    return result or 0


def _minter(settings: Settings) -> Callable[[str, str, str, Role], str]:
    """`mint(room, user, name, role) -> token` with our keys, for clients that import no server."""
    from server.signing import SigningKeys, make_claims

    keys = SigningKeys.load(settings)

    def mint(room: str, user: str, name: str, role: Role) -> str:
        return keys.mint(
            make_claims(
                shop=keys.shops[0] if DEFAULT_SHOP not in keys.shops else DEFAULT_SHOP,
                room=RoomId(room),
                user=user,
                name=name,
                role=role,
                now=time.time(),
                ttl_s=BENCH_TTL_S,
            )
        )

    return mint

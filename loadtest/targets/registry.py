"""Targets by name: `--target NAME[:OPTION=VALUE,...]`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from loadtest.targets.janus import JanusTarget
from loadtest.targets.lianmai import LianmaiTarget
from loadtest.targets.nchan import NchanTarget
from loadtest.targets.target import Target, TargetError
from loadtest.targets.tokens import KeyPair, Mint
from loadtest.targets.whip import WhipTarget
from loadtest.trust import OF_THIS_MACHINE, Trust


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the command line says beside the target's own text. `addresses`: those of this machine
    where networks of the scenario reach it; `settings`: LIANMAI_* of a private server of ours;
    `trust` None believes any certificate."""

    token: str | None = None
    api_key: str | None = None
    api_secret: str | None = field(default=None, repr=False)
    trust: Trust | None = OF_THIS_MACHINE
    settings: Mapping[str, str] = field(default_factory=dict)
    addresses: Sequence[str] = ()

    def mint(self) -> Mint | None:
        """Everybody's token, or how to sign one for each; None without both."""
        if self.api_key is not None and self.api_secret is not None:
            return KeyPair(self.api_key, self.api_secret).mint
        if self.api_key is not None or self.api_secret is not None:
            raise TargetError("--api-key and --api-secret come together")
        token = self.token
        return None if token is None else lambda room, user, role: token


Options = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Kind:
    """`options`: name -> what it means. One without a value is a flag."""

    about: str
    options: Mapping[str, str]
    make: Callable[[Options, Surroundings], Target]


def make_target(text: str, around: Surroundings | None = None) -> Target:
    """The target that `text` asks for, not yet entered. Raises `TargetError`, one line."""
    kind, options = _parse(text)
    return KINDS[kind].make(options, around or Surroundings())


def kind_of(text: str) -> str:
    """The name in `KINDS` that `text` asks for. Raises `TargetError`."""
    return _parse(text)[0]


def help_lines() -> list[str]:
    """What can be written, a line each."""
    lines = []
    for name, kind in KINDS.items():
        lines.append(f"{name}: {kind.about}")
        lines += [f"  {option}: {meaning}" for option, meaning in kind.options.items()]
    return lines


def _parse(text: str) -> tuple[str, dict[str, str]]:
    name, _, rest = text.partition(":")
    if re.match(r"whe?i?p=", text):  # the addresses say it
        name, rest = "whip", text
    if name not in KINDS:
        raise TargetError(f"unknown target {name!r}{_nearest(name, KINDS)}")
    options: dict[str, str] = {}
    known = KINDS[name].options
    # A comma also stands in addresses; one before `name=` or a known flag divides.
    for each in re.split(r",(?=[a-z_]+(?:=|,|$))", rest) if rest else ():
        option, equals, value = each.partition("=")
        if option not in known:
            raise TargetError(f"{name} has no option {option!r}{_nearest(option, known)}")
        if option in options:
            raise TargetError(f"{name}: {option} is given twice")
        if bool(equals) == (option in FLAGS) or (equals and not value):
            wanted = option if option in FLAGS else f"{option}=VALUE"
            raise TargetError(f"{name}: write {wanted}, not {each}")
        options[option] = value
    return name, options


def _nearest(word: str, known: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(word, known, 1)
    hint = f": did you mean {near[0]}?" if near else ""
    return f"{hint or ':'} there are {', '.join(known)}" if known else f"{hint}"


def _lianmai(options: Options, around: Surroundings) -> Target:
    url = options.get("url")
    wanted: dict[str, str] = {}
    said: list[str] = []
    for option, variable in _LIANMAI_NUMBERS.items():
        number = _number("lianmai", option, options.get(option, UNSET), none=UNSET)
        if number is not None:
            wanted[variable] = str(number)
            said.append(f"{option}={number}")
    usual_name = ":".join(("lianmai", ",".join(said))) if said else "lianmai"
    return LianmaiTarget(
        url,
        mint=None if url is None else around.mint(),
        trust=around.trust,
        settings=wanted if url is not None else {**around.settings, **wanted},
        is_behind_veth="veth" in options,
        addresses=around.addresses,
        name=options.get("name", usual_name),
    )


def _janus(options: Options, around: Surroundings) -> Target:
    if around.addresses:
        raise TargetError("networks of a scenario do not reach janus, which has one of its own")
    loops = _number("janus", "event_loops", options.get("event_loops", UNSET), none=UNSET)
    return JanusTarget(event_loops=loops, name=options.get("name", ""))


def _number(target: str, option: str, text: str, *, none: str) -> int | None:
    """`none` is the word for None."""
    if text == none:
        return None
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise TargetError(f"{target}: {option} is a number from 1, or {none}, not {text}")
    return int(text)


def _whip(options: Options, around: Surroundings) -> Target:
    return WhipTarget(
        options.get("whip"),
        options.get("whep"),
        token=around.mint(),
        trust=around.trust,
        name=options.get("name", "whip"),
    )


def _nchan(options: Options, around: Surroundings) -> Target:
    return NchanTarget(
        workers=_number("nchan", "workers", options.get("workers", "1"), none="auto"),
        batch_ms=_number("nchan", "batch_ms", options.get("batch_ms", UNSET), none=UNSET),
    )


UNSET: Final = "unset"
_LIANMAI_NUMBERS: Final = {
    "media_workers": "LIANMAI_MEDIA_WORKERS",
    "slowed_ms": "LIANMAI_DEBUG_FORWARD_DELAY_MS",
}
"""Options of a private server that are settings of it."""
FLAGS: Final = frozenset({"veth"})
_NAME: Final = "what reports call it"
KINDS: Final[Mapping[str, _Kind]] = {
    "lianmai": _Kind(
        "this server: a private one started for the run, or the one at url",
        {
            "url": "https://HOST:PORT; needs --api-key and --api-secret, or --token",
            "veth": "start it in a network namespace, to compare with a peer that lives in one",
            "media_workers": "run its media in so many processes of their own",
            "slowed_ms": "hold its media so long on purpose, to see that the report notices",
            "name": _NAME,
        },
        _lianmai,
    ),
    "janus": _Kind(
        "Janus VideoRoom, started for the run in a network namespace (root; apt-get install janus)",
        {
            "event_loops": "threads that share all connections; unset (default): one for each",
            "name": _NAME,
        },
        _janus,
    ),
    "nchan": _Kind(
        "Nchan, started for the run (apt-get install nginx libnginx-mod-nchan)",
        {
            "workers": "worker processes of nginx; auto: one a core (default: 1)",
            "batch_ms": "publishers bundle so many milliseconds into one POST (default: unset)",
        },
        _nchan,
    ),
    "whip": _Kind(
        "any server by its WHIP and WHEP addresses; {room} and {user} are filled in",
        {
            "whip": "where to publish, such as http://HOST:8889/{room}/whip",
            "whep": "where to watch, such as http://HOST:8889/{room}/whep",
            "name": _NAME,
        },
        _whip,
    ),
}

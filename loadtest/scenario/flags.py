"""The flags that make or change a scenario, with the names that `lk load-test` gave them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Final

from loadtest.scenario.building import built
from loadtest.scenario.changing import changed, talkers_of, viewers_of
from loadtest.scenario.checks import MAX_PEOPLE
from loadtest.scenario.errors import ScenarioError
from loadtest.scenario.load import (
    as_values,
    as_yaml,
    list_shipped,
    load_scenario,
    load_slo,
    scenario_of_values,
)
from loadtest.scenario.model import NAMED_RESOLUTIONS, Scenario
from loadtest.scenario.units import parse_bps, parse_duration_s, parse_per_s, parse_share
from loadtest.scenario.wishes import LAYOUTS, Wishes

DEFAULT_SCENARIO: Final = "smoke"


def add_scenario_arguments(parser: argparse.ArgumentParser) -> None:
    """SCENARIO and the flags; `scenario_of` and `answer` read what they parsed to."""
    parser.add_argument(
        "scenario",
        nargs="?",
        metavar="SCENARIO",
        help="a shipped scenario (see --list) or a YAML file; default: smoke, or one made of flags",
    )
    _add_run(parser.add_argument_group("the run"))
    _add_people(parser.add_argument_group("who comes (over a scenario: how many)"))
    _add_messages(parser.add_argument_group("what they say"))
    _add_network(parser.add_argument_group("the network of viewers, downwards (as root)"))


def scenario_of(args: argparse.Namespace) -> Scenario:
    """Flags over the scenario that was named; else a scenario made of the flags; else smoke.

    Raises `ScenarioError` with all mistakes.
    """
    wishes = wishes_of(args)
    if args.scenario is None and wishes.builds:
        scenario = built(wishes)
    else:
        base = load_scenario(args.scenario or DEFAULT_SCENARIO)
        _refuse_the_impossible(base, wishes)
        scenario = changed(base, wishes)
    return scenario_of_values(as_values(scenario), "flags")


def answer(args: argparse.Namespace) -> str | None:
    """What to print instead of a run: for --list and --show; else None. Raises `ScenarioError`."""
    if args.list:
        return listing()
    return as_yaml(scenario_of(args)) if args.show else None


def listing() -> str:
    """The shipped scenarios, one a line, with what each proves."""
    names = list_shipped()
    width = max(len(name) for name in names)
    return "".join(f"{name:{width}}  {load_scenario(name).about}\n" for name in names)


def wishes_of(args: argparse.Namespace) -> Wishes:
    """Raises `ScenarioError` for a file of limits that cannot be read."""
    network = {
        "loss": args.loss,
        # Nothing arrives before it was sent: what sways is delayed by as much at least.
        "delay_s": args.jitter if args.delay is None else args.delay,
        "jitter_s": args.jitter,
        "rate_bps": args.rate,
    }
    network = {key: value for key, value in network.items() if value is not None}
    return Wishes(
        room=args.room,
        duration_s=args.duration,
        seed=args.seed,
        lines=args.danmaku,
        video_publishers=args.video_publishers,
        audio_publishers=args.audio_publishers,
        subscribers=args.subscribers,
        sockets=args.sockets,
        joins_per_s=args.num_per_second,
        resolution=args.video_resolution,
        codec=args.video_codec,
        simulcast=args.simulcast,
        layout=args.layout,
        chat_per_s=args.danmaku_rate,
        ask_per_s=args.question_rate,
        like_per_s=args.like_rate,
        network=network or None,
        slo=load_slo(args.slo) if args.slo is not None else None,
    )


def _refuse_the_impossible(scenario: Scenario, wishes: Wishes) -> None:
    """A flag that a scenario has no group for must not be passed over in silence."""
    groups = scenario.groups
    problems: list[str] = []
    if (wishes.subscribers or wishes.layout is not None) and not viewers_of(groups):
        problems.append(f"--subscribers, --layout: nobody watches in `{scenario.name}`")
    if wishes.talks and not talkers_of(groups):
        problems.append(f"--sockets and rates of messages: no viewer of `{scenario.name}` talks")
    if problems:
        raise ScenarioError(problems)


def _add_run(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--list", action="store_true", help="print the shipped scenarios")
    group.add_argument(
        "--show", action="store_true", help="print the scenario with the flags in it, as YAML"
    )
    group.add_argument("--room", metavar="NAME", help="room that everybody comes to")
    _add(group, "--duration", parse_duration_s, "TIME", "how long it runs: 30s, 5m")
    _add(group, "--seed", _count, "N", "of all that is drawn by chance")
    _add(group, "--slo", Path, "FILE.yaml", "limits to pass, instead of the scenario's")


def _add_people(group: argparse._ArgumentGroup) -> None:
    _add(group, "--video-publishers", _count, "N", "who send video; the first is the host")
    _add(group, "--audio-publishers", _count, "N", "who send audio; the first is the host")
    _add(group, "--subscribers", _count, "N", "who watch")
    _add(group, "--sockets", _count, "N", "who are there with a room socket alone")
    _add(group, "--num-per-second", _pace, "N", "how many come in a second")
    group.add_argument(
        "--video-resolution", choices=NAMED_RESOLUTIONS, help="of all who send: 720, 360, 180 lines"
    )
    group.add_argument(
        "--video-codec", choices=("VP8", "H264"), type=_codec, help="of all who send"
    )
    group.add_argument(
        "--simulcast",
        action=argparse.BooleanOptionalAction,
        help="send three layers of video; off unless asked for",
    )
    group.add_argument(
        "--layout", choices=tuple(LAYOUTS), help="pictures that one viewer takes: 1, 9, 16, 25"
    )


def _add_messages(group: argparse._ArgumentGroup) -> None:
    _add(group, "--danmaku-rate", parse_per_s, "RATE", "chat of all together: 100/s, 30/min")
    _add(group, "--question-rate", parse_per_s, "RATE", "questions of all together")
    _add(group, "--like-rate", parse_per_s, "RATE", "like messages of all together")
    _add(group, "--danmaku", Path, "FILE", "what they say: JSON lines, or text, one line each")


def _add_network(group: argparse._ArgumentGroup) -> None:
    _add(group, "--loss", parse_share, "SHARE", "packets lost: 5%%")
    _add(group, "--delay", parse_duration_s, "TIME", "added to each packet: 80ms")
    _add(
        group,
        "--jitter",
        parse_duration_s,
        "TIME",
        "how far the delay sways: 10ms; without --delay that is as long",
    )
    _add(group, "--rate", parse_bps, "RATE", "most that passes to each: 2Mbit")


def _add(
    group: argparse._ArgumentGroup,
    flag: str,
    parse: Callable[[str], object],
    metavar: str,
    text: str,
) -> None:
    def parsed(value: str) -> object:
        try:
            return parse(value)
        except ValueError as error:
            # argparse would print the name of our function instead of the reason.
            raise argparse.ArgumentTypeError(str(error)) from None

    group.add_argument(flag, type=parsed, metavar=metavar, help=text)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text[:9]) > MAX_PEOPLE or len(text) > 9:
        raise ValueError(f"{text!r} is no whole number from 0 to {MAX_PEOPLE}")
    return int(text)


def _pace(text: str) -> float:
    per_s = parse_per_s(text)
    if per_s <= 0:
        raise ValueError("somebody must come: more than 0")
    return per_s


def _codec(text: str) -> str:
    """lk writes `h264`, others `H.264`."""
    return text.upper().replace(".", "")

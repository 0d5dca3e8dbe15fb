"""The flags that say whom to load."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from loadtest.publisher import TOKEN_VARIABLE
from loadtest.scenario.model import Scenario
from loadtest.targets.lianmai import LianmaiTarget, settings_for_rates
from loadtest.targets.registry import Surroundings, kind_of, make_target
from loadtest.targets.target import Target
from loadtest.targets.tokens import Mint
from loadtest.trust import OF_THIS_MACHINE, Trust

MakeTarget = Callable[[Sequence[str]], Target]
"""Given the addresses by which networks of the scenario reach this machine; usually none."""

PRIVATE: Final = "lianmai"
API_KEY: Final = "LIANMAI_API_KEY"
API_SECRET: Final = "LIANMAI_API_SECRET"


def add_target_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--url",
        metavar="URL",
        help="a lianmai that runs, such as http://127.0.0.1:7880 (default: one is started for the"
        " run)",
    )
    group.add_argument(
        "--target",
        action="append",
        default=[],
        metavar="NAME[:OPTIONS]",
        help="another server: lianmai, janus, nchan, or whip=URL,whep=URL (see --targets); several"
        " are compared in turn, each with the first",
    )
    group.add_argument(
        "--targets", action="store_true", help="print what --target takes, and its options"
    )
    group.add_argument("--token", help=f"one token for all (also in {TOKEN_VARIABLE})")
    group.add_argument("--api-key", metavar="KEY", help=f"signs tokens (also in {API_KEY})")
    group.add_argument(
        "--api-secret", metavar="SECRET", help=f"its secret; better kept in {API_SECRET}"
    )
    group.add_argument(
        "--ca", type=Path, metavar="PEM", help="the server's certificate or its authority"
    )
    group.add_argument(
        "--insecure", action="store_true", help="believe any certificate of an https:// target"
    )


def makers_of(args: argparse.Namespace, scenario: Scenario, mint: Mint) -> list[MakeTarget]:
    """One for each target, in the order given; each makes a new one for each run. `mint` signs
    with the keys of --data-dir. Raises `TargetError`."""
    trust = None if args.insecure else OF_THIS_MACHINE if args.ca is None else Trust(pin=args.ca)
    around = Surroundings(
        token=args.token or os.environ.get(TOKEN_VARIABLE),
        api_key=args.api_key or os.environ.get(API_KEY),
        api_secret=args.api_secret or os.environ.get(API_SECRET),
        trust=trust,
        settings=_room_for(scenario),
    )
    texts = list(args.target)
    makers: list[MakeTarget] = []
    if args.url is not None:
        url, signer = args.url, around.mint() or mint
        makers.append(lambda addresses: LianmaiTarget(url, mint=signer, trust=trust))
    elif not texts:
        texts.append(PRIVATE)
    return makers + [_maker(text, around) for text in side_by_side(texts)]


def side_by_side(texts: Sequence[str]) -> list[str]:
    """A private server of ours goes behind a veth pair, too, when one of the others must: what
    crosses a different network is not compared."""
    kinds = [kind_of(text) for text in texts]
    if "janus" not in kinds:
        return list(texts)
    return [f"{PRIVATE}:veth" if text == PRIVATE else text for text in texts]


def _maker(text: str, around: Surroundings) -> MakeTarget:
    make_target(text, around)  # a mistake is told before anything is started
    return lambda addresses: make_target(text, replace(around, addresses=addresses))


def _room_for(scenario: Scenario) -> Mapping[str, str]:
    """What a private server must grant a person so that the scenario's rates are not refused."""
    talking = [group for group in scenario.groups.values() if group.count]
    return settings_for_rates(
        chat_per_person_s=max(
            ((group.chat_per_s or 0) / group.count for group in talking), default=0
        ),
        ask_per_person_s=max(
            ((group.ask_per_s or 0) / group.count for group in talking), default=0
        ),
    )

"""The data that comes with the program, read once at start (the only file here that reads any)."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import NamedTuple

from signaling.asking.cluster import Fingerprints
from signaling.asking.detection import Detector
from signaling.asking.lexicon import FILES, Lexicon, parse_lexicon


class Asking(NamedTuple):
    """What a process needs of this folder; share one."""

    detector: Detector
    fingerprints: Fingerprints


def shipped_lexicon() -> Lexicon:
    """The shipped data. Raises `LexiconError` when somebody broke it."""
    folder = resources.files("signaling.asking").joinpath("data")
    return parse_lexicon(
        {name: folder.joinpath(f"{name}.yaml").read_text("utf-8") for name in FILES}
    )


@cache
def shipped_asking() -> Asking:
    """Everything with the shipped data: some 200 ms of work, once a process."""
    lexicon = shipped_lexicon()
    detector = Detector(lexicon)
    return Asking(detector, Fingerprints(lexicon.folding, detector))

"""Data files that cannot be meant are refused with their place."""

from __future__ import annotations

from importlib import resources

import msgspec
import pytest

from signaling.asking import Detector, LexiconError, parse_lexicon
from signaling.asking.lexicon import FILES
from signaling.asking.rank import INTENT_POINTS
from signaling.asking.shipped import shipped_lexicon


def texts() -> dict[str, str]:
    folder = resources.files("signaling.asking").joinpath("data")
    return {name: folder.joinpath(f"{name}.yaml").read_text("utf-8") for name in FILES}


@pytest.mark.parametrize(
    ("name", "old", "new", "told"),
    [
        ("cues", "bias: -1.0", "bias: -1.0\nbais: 2", "bais"),
        ("cues", "bias: -1.0", "bias: -100", "cues.yaml"),
        ("cues", "bias: -1.0", "bias: [", "no valid YAML"),
        ("cues", "  choice: 3.5", "  choise: 3.5", "choise"),
        ("cues", "      - 谁…谁\n", "      - 谁…谁?\n", "谁…谁?"),
        ("cues", "      - 谁…谁\n", "      - '{nobody}谁'\n", "nobody"),
        ("intents", "intent: price", "intent: prize", "intents.yaml"),
        ("folding", "dropped: [", "dropped: [no, ", "folding.yaml"),
    ],
)
def test_mistakes_are_named(name: str, old: str, new: str, told: str) -> None:
    files = texts()
    assert old in files[name]
    files[name] = files[name].replace(old, new, 1)
    with pytest.raises(LexiconError) as caught:
        Detector(parse_lexicon(files))
    assert told in str(caught.value)


def test_a_pair_that_is_none_is_named() -> None:
    lexicon = shipped_lexicon()
    normal = msgspec.structs.replace(lexicon.normal, simplified=("嗎吗吗",))
    with pytest.raises(LexiconError, match="嗎吗吗"):
        Detector(msgspec.structs.replace(lexicon, normal=normal))


def test_a_missing_file_is_named() -> None:
    files = texts()
    del files["terms"]
    with pytest.raises(LexiconError, match="terms"):
        parse_lexicon(files)


def test_every_intent_has_forms_and_points() -> None:
    assert {cue.intent for cue in shipped_lexicon().intents.intents} == set(INTENT_POINTS)

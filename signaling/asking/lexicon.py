"""What the data files hold, as strict models: cues, intents, terms, and how texts are normalised.

A key that is not known, a weight out of range or a form that cannot be meant is an error that
names file and place: data is checked when the program starts, not when somebody asks.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeVar

import msgspec
import yaml

Weight = Annotated[float, msgspec.Meta(ge=-10, le=10)]
Words = Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
Intent = Literal[
    "price",
    "suitability",
    "spec",
    "usage",
    "stock",
    "promo_rule",
    "logistics",
    "aftersales",
    "how_to_buy",
    "comparison",
    "show_request",
    "schedule",
    "authenticity",
]
FILES: Final = ("normal", "cues", "intents", "terms", "folding")
"""Names of the data files, without `.yaml`."""


class LexiconError(ValueError):
    """A data file cannot be used; the message says which and why."""


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class NormalData(_Strict, frozen=True):
    """`normal.yaml`."""

    simplified: tuple[str, ...]
    """Pairs of characters: the traditional one, then the simplified one."""
    mended: dict[str, str]
    """Common mistypings, homophones and short forms, and what is meant."""
    edges: tuple[str, ...]
    """Words before or after a question that say nothing: 主播, 呀, please."""


class Cue(_Strict, frozen=True):
    """One kind of evidence."""

    name: str
    says: str
    """The reason as people read it."""
    weight: Weight
    """Added once to the clause in which it is found: log-odds of being a question."""
    forms: Words


class CueData(_Strict, frozen=True):
    """`cues.yaml`. `covers` come first and use up what they match; `cues` see the rest."""

    bias: Weight
    sets: dict[str, Words]
    structure: dict[str, Weight]
    """Weights of what is found by code (`signaling/asking/structure.py`)."""
    message: tuple[Cue, ...]
    """Weigh on the whole message wherever they are found."""
    covers: tuple[Cue, ...]
    cues: tuple[Cue, ...]


class IntentCue(_Strict, frozen=True):
    """How an intent is recognised: `strong` forms count three, `weak` ones one."""

    intent: Intent
    strong: Words
    weak: tuple[str, ...] = ()


class IntentData(_Strict, frozen=True):
    """`intents.yaml`; where two intents are equally likely, the earlier one is taken."""

    sets: dict[str, Words]
    intents: tuple[IntentCue, ...]


class TermData(_Strict, frozen=True):
    """`terms.yaml`: words of any shop; those of the room come with the context."""

    terms: dict[str, Words]
    """By kind, for people; the kinds have no effect."""
    same: dict[str, str]
    """Words that mean a term: 油性皮肤 is 油皮."""
    sizes: Words
    """Forms of sizes and numbers of things."""


class FoldingData(_Strict, frozen=True):
    """`folding.yaml`."""

    means: tuple[Words, ...]
    """Words for one thing, the first stands for all."""
    dropped: tuple[str, ...]
    side_terms: tuple[str, ...]
    """Terms that may differ between two questions which are one."""


class Lexicon(_Strict, frozen=True):
    """All data of detection."""

    normal: NormalData
    cues: CueData
    intents: IntentData
    terms: TermData
    folding: FoldingData


_Model = TypeVar("_Model", NormalData, CueData, IntentData, TermData, FoldingData)


def parse_lexicon(texts: dict[str, str]) -> Lexicon:
    """The lexicon written in the files' texts, by name (`FILES`). Raises `LexiconError`."""
    missing = [name for name in FILES if name not in texts]
    if missing:
        raise LexiconError(f"missing: {', '.join(missing)}")
    return Lexicon(
        normal=_parse("normal", texts, NormalData),
        cues=_parse("cues", texts, CueData),
        intents=_parse("intents", texts, IntentData),
        terms=_parse("terms", texts, TermData),
        folding=_parse("folding", texts, FoldingData),
    )


def _parse(name: str, texts: dict[str, str], model: type[_Model]) -> _Model:
    try:
        return msgspec.convert(yaml.safe_load(texts[name]), model)
    except yaml.YAMLError as error:
        raise LexiconError(f"{name}.yaml: no valid YAML: {error}") from error
    except msgspec.ValidationError as error:
        raise LexiconError(f"{name}.yaml: {error}") from error

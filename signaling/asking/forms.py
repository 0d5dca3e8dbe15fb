"""The small language in which the data files write down what a cue looks like.

    多少钱            these characters
    (能|可以)         one of these; `(的)?` may be left out
    [马妈]  [^的了]    one character of these, or none of these; [a-z] is a range
    [!我你]不          not right after one of these characters
    知道!(了|啦)       not right before one of these
    怎么…好看          up to six characters between them, inside one clause
    不管~             as much of the rest of the clause as fits, at most twelve characters
    这么≈            the same, but nothing of a new question: stops before a word of the set `asks`
    不知道……算了       up to sixteen characters between them, over the ends of clauses too
    ^ $              the beginning and the end of a clause
    {wh}             one of the words of the set `wh`

A form that begins or ends with a Latin letter or digit matches whole words only. Every repetition
is bounded, so that no text makes a match slow.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

STOP: Final = "。"
ASKED: Final = "？"
"""Clauses of a normal text end with one of these (`signaling/asking/normal.py`)."""
MASKED: Final = "＊"
"""Stands for what another cue has used up."""

Sets = Mapping[str, tuple[str, ...]]

_IN_CLAUSE: Final = f"[^{STOP}{ASKED}]"
_TOKEN: Final = re.compile(
    r"……|…|~|≈|\^|\$|\{(?P<set>\w+)\}|!\(|\)\?|[()|]|\[(?P<kind>[!^]?)(?P<chars>[^\]]+)\]|(?P<literal>.)"
)
_PLAIN: Final = {
    "……": ".{0,16}?",
    "…": f"{_IN_CLAUSE}{{0,6}}?",
    "~": f"{_IN_CLAUSE}{{0,12}}",
    "^": f"(?<=[{STOP}{ASKED}])",
    "$": f"(?=[{STOP}{ASKED}])",
    "!(": "(?!",
    "(": "(?:",
    ")": ")",
    ")?": ")?",
    "|": "|",
}
_BEGINS_LATIN: Final = re.compile(r"\^?\(*[a-z0-9]")
_ENDS_LATIN: Final = re.compile(r"[a-z0-9]\)*\$?\Z")
_ASKS: Final = "asks"
_RANGE: Final = re.compile(r"(.)-(.)")


class FormError(ValueError):
    """A form of a data file cannot be meant; the message names it."""


def source_of(form: str, sets: Sets) -> str:
    """The regular expression of a form. Raises `FormError`."""
    if not form or form != form.strip() or form.startswith(("…", "~", "≈")):
        raise FormError(f"{form!r}: a form begins and ends with something to find")
    if "?" in form.replace(")?", ""):
        raise FormError(f"{form!r}: only a group may be left out: (…)?")
    source = "".join(_piece(token, form, sets) for token in _TOKEN.finditer(form))
    if _BEGINS_LATIN.match(form):
        source = f"(?<![a-z0-9]){source}"
    if _ENDS_LATIN.search(form):
        source = f"{source}(?![a-z0-9])"
    try:
        pattern = re.compile(source)
    except re.error as error:
        raise FormError(f"{form!r}: {error}") from error
    if pattern.match(""):
        raise FormError(f"{form!r}: would match nothing at all")
    return f"(?:{source})"


def first_characters(form: str, sets: Sets) -> frozenset[str] | None:
    """Every character with which a match of the form can begin; None when it can be any."""
    first, _ = _First(list(_TOKEN.finditer(form)), sets).alternatives()
    return None if first is None else frozenset(first)


def _piece(token: re.Match[str], form: str, sets: Sets) -> str:
    if (plain := _PLAIN.get(token[0])) is not None:
        return plain
    if token[0] == "≈":
        return f"(?:(?!{_any_of(_ASKS, form, sets)}){_IN_CLAUSE}){{0,12}}"
    if token["set"] is not None:
        return f"(?:{_any_of(token['set'], form, sets)})"
    if token["chars"] is not None:
        # A range such as a-z stays one.
        chars = token["chars"].replace("\\", "\\\\").replace("^", "\\^")
        match token["kind"]:
            case "!":
                return f"(?<![{chars}])"
            case "^":
                return f"[^{chars}{STOP}{ASKED}]"
            case _:
                return f"[{chars}]"
    if token[0] in "[]{}":
        raise FormError(f"{form!r}: {token[0]!r} stands alone")
    return re.escape(token[0])


def _any_of(name: str, form: str, sets: Sets) -> str:
    if name not in sets:
        raise FormError(f"{form!r}: there is no set {name!r}")
    return "|".join(re.escape(word) for word in sets[name])


class _First:
    """Reads the tokens of a form for the characters with which it can begin.

    Each step gives those characters (None: any) and whether it may take up none at all.
    """

    def __init__(self, tokens: list[re.Match[str]], sets: Sets) -> None:
        self._tokens, self._sets, self._at = tokens, sets, 0

    def alternatives(self) -> tuple[set[str] | None, bool]:
        """Up to the `)` that ends the group, or the end of the form."""
        first, may_be_empty = self._sequence()
        while self._at < len(self._tokens) and self._tokens[self._at][0] == "|":
            self._at += 1
            other, empty = self._sequence()
            first = None if first is None or other is None else first | other
            may_be_empty = may_be_empty or empty
        return first, may_be_empty

    def _sequence(self) -> tuple[set[str] | None, bool]:
        first: set[str] | None = set()
        open_ended = True
        while self._at < len(self._tokens) and self._tokens[self._at][0] not in {"|", ")", ")?"}:
            item, may_be_empty = self._item()
            if open_ended:
                first = None if first is None or item is None else first | item
                open_ended = may_be_empty
        return first, open_ended

    def _item(self) -> tuple[set[str] | None, bool]:
        token = self._tokens[self._at]
        self._at += 1
        if token[0] in {"(", "!("}:
            first, may_be_empty = self.alternatives()
            closing = self._tokens[self._at][0]
            self._at += 1
            return (set(), True) if token[0] == "!(" else (first, may_be_empty or closing == ")?")
        if token[0] in {"^", "$"} or token["kind"] == "!":
            return set(), True
        if token[0] in {"……", "…", "~", "≈"}:
            return None, True
        if token["set"] is not None:
            return {word[0] for word in self._sets[token["set"]]}, False
        if token["chars"] is not None:
            return (None if token["kind"] == "^" else _members(token["chars"])), False
        return {token[0]}, False


def _members(chars: str) -> set[str]:
    found = set(_RANGE.sub("", chars))
    for low, high in _RANGE.findall(chars):
        found.update(map(chr, range(ord(low), ord(high) + 1)))
    return found

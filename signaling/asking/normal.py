"""The normal text: what was typed, without the differences that do not change what is asked."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Final

from signaling.asking.forms import ASKED, STOP

MAX_CHARS: Final = 200
HEAD_CHARS: Final = 120
"""What of a message is read: its beginning and, when it is longer, its end. People who ask in more
words than that begin or end with the question."""
MAX_TAILS: Final = 3
"""Words without meaning taken off the end of a clause: 吗 + 呀 + 主播."""

_NOISE: Final = re.compile(
    "@[^ ]{1,20} ?"  # somebody spoken to by name
    "|\\[[^\\[\\]]{1,6}\\]"  # emoji written as [笑哭]
    "|['\u2018\u2019`\"\u00b4\u200c\u200d\ufe0e\ufe0f\u20e3]"  # isn't -> isnt; joiners of emoji
)
_REPEATED: Final = re.compile(r"([^\d])\1{2,}")
_INSIDE_WORDS: Final = frozenset(" ./%+-")
_BETWEEN: Final = re.compile(r"[^\w]+")
_LATIN_WORD: Final = re.compile(r"[a-z]+")
_LATIN_THEN_SPACE: Final = re.compile(r"[a-z0-9 ]{1,24} (?=[^\x00-\x7f])")
_SPACE_THEN_LATIN: Final = re.compile(r"[^\x00-\x7f] [a-z0-9 ]{1,24}\Z")
_MA_INSIDE: Final = re.compile(r"(?<!干)吗(?=[^。？吧啊呀呢哈])")
_CLAUSE: Final = re.compile(f"([^{STOP}{ASKED}]+)([{STOP}{ASKED}]?)")


class Normaliser:
    """Makes normal texts: NFKC, lower case, simplified characters, common mistypings mended, runs
    of one character shortened, emoji and names spoken to left out, cut into clauses.

    A normal text is `。` followed by clauses, each ended by `？` (a question mark stood there) or
    `。`. Cost: linear in the length, of which `MAX_CHARS` are read.
    """

    def __init__(
        self, *, simplified: Mapping[str, str], mended: Mapping[str, str], edges: tuple[str, ...]
    ) -> None:
        self._simplified = str.maketrans(dict(simplified))
        self._mended = dict(mended)
        chinese = sorted((w for w in mended if not w.isascii()), key=lambda w: (-len(w), w))
        self._wrong = re.compile("|".join(map(re.escape, chinese)) or r"(?!)")
        leads = sorted(edges, key=lambda e: (-len(e), e))
        words = "|".join(re.escape(e) + ("(?![a-z0-9]) ?" if e.isascii() else "") for e in leads)
        self._leads = re.compile(f"(?:{words}){{1,3}}")
        self._tails: dict[str, tuple[str, ...]] = {}
        for edge in leads:
            self._tails[edge[-1]] = (*self._tails.get(edge[-1], ()), edge)

    def normal(self, text: str) -> str:
        """The normal text; `。` alone when nothing was said."""
        if len(text) > MAX_CHARS:
            text = f"{text[:HEAD_CHARS]}\n{text[HEAD_CHARS + 1 - MAX_CHARS :]}"
        plain = unicodedata.normalize("NFKC", text)[:MAX_CHARS].lower()
        plain = " ".join(plain.translate(self._simplified).split())
        plain = _REPEATED.sub(r"\1", _NOISE.sub("", plain))
        plain = self._wrong.sub(self._mend, _LATIN_WORD.sub(self._mend_word, plain))
        clauses = _MA_INSIDE.sub(f"吗{STOP}", _BETWEEN.sub(_end, plain).strip(STOP))
        if not clauses.strip(f"{STOP}{ASKED}"):
            return STOP
        return STOP + "".join(
            self._without_edges(found[1]) + (found[2] or STOP)
            for found in _CLAUSE.finditer(clauses)
        )

    def _without_edges(self, clause: str) -> str:
        """The clause without words that say nothing, unless it has no others."""
        if (lead := self._leads.match(clause)) is not None and lead.end() < len(clause):
            clause = clause[lead.end() :]
        for _ in range(MAX_TAILS):
            for edge in self._tails.get(clause[-1:], ()):
                if len(edge) < len(clause) and clause.endswith(edge):
                    shorter = clause[: -len(edge)]
                    if not (edge.isascii() and shorter[-1:] != " " and shorter.isascii()):
                        clause = shorter.rstrip()
                        break
            else:
                return clause
        return clause

    def _mend(self, found: re.Match[str]) -> str:
        return self._mended[found[0]]

    def _mend_word(self, found: re.Match[str]) -> str:
        return self._mended.get(found[0], found[0])


def key_of(normal: str) -> str:
    """The normal text without ends of clauses and spaces: what is compared with other texts."""
    return normal.replace(STOP, "").replace(ASKED, "").replace(" ", "")


def _end(found: re.Match[str]) -> str:
    """What stands for a run of spaces and punctuation."""
    run = found[0]
    if "?" in run:
        return ASKED
    before = found.string[found.start() - 1] if found.start() else STOP
    after = found.string[found.end()] if found.end() < len(found.string) else STOP
    if run in _INSIDE_WORDS and before.isascii() and after.isascii():
        return run
    if run == "%" and before.isascii():
        return run
    # A space between Chinese ends a clause; on both sides of a Latin word it is only typography.
    if run == " " and before.isascii() != after.isascii() and _is_set_apart(found):
        return ""
    return STOP


def _is_set_apart(found: re.Match[str]) -> bool:
    """True when the Latin words on one side of this space have Chinese and a space on both."""
    text = found.string
    if text[found.end()].isascii():
        return _LATIN_THEN_SPACE.match(text, found.end()) is not None
    return _SPACE_THEN_LATIN.search(text, max(0, found.start() - 24), found.start()) is not None
